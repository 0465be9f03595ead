"""`FakeApiServer`: the fake Kubernetes API server on loopback, with what a test needs to look at it and to break it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import kubernetes.client
import yaml

from ctr_assets_tests.kubernetes.answers import Answer
from ctr_assets_tests.kubernetes.api import Api
from ctr_assets_tests.kubernetes.creating import Namespace
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.faults import Faults, LogCut
from ctr_assets_tests.kubernetes.garbage import GarbageCollector
from ctr_assets_tests.kubernetes.logs import Logs
from ctr_assets_tests.kubernetes.paths import Request
from ctr_assets_tests.kubernetes.resources import Json
from ctr_assets_tests.kubernetes.storage import Store
from ctr_assets_tests.kubernetes.wire import Listener

ADMIN = "kubernetes-admin"
ADMIN_TOKEN = "fake-admin-token"
# A pod that asks for Kubernetes' 30 s of grace gets 3 s of a test's time.
GRACE_SCALE = 0.1
LAST_CHUNK_SECONDS = 2.0


@dataclass(frozen=True)
class NotedRequest:
    """One line of the request log."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: bytes


class FakeApiServer:
    """A context manager. It speaks plain HTTP on 127.0.0.1 and keeps its port over `refuse_connections`."""

    def __init__(self, namespaces: tuple[str, ...] = (), grace_scale: float = GRACE_SCALE) -> None:
        """With no `namespaces` every namespace exists."""
        self.store = Store()
        self.garbage = GarbageCollector(self.store, grace_scale)
        self.logs = Logs()
        self.faults = Faults()
        self.api = Api(self.store, self.garbage, self.logs, self.faults)
        self.api.creator.namespaces = {name: Namespace() for name in namespaces}
        self.users = {ADMIN_TOKEN: ADMIN}
        self.requests: list[NotedRequest] = []
        self.defects: list[BaseException | None] = []
        self._port = 0
        self._listener: Listener | None = None
        self._watch_epoch = 0
        self._silent_epochs: set[int] = set()
        self._is_stopped = threading.Event()
        self._collector = threading.Thread(target=self._collect_garbage, name="fake-garbage-collector")
        self._timers: list[threading.Timer] = []
        self._clients: list[kubernetes.client.ApiClient] = []

    def __enter__(self) -> Self:
        self.accept_connections()
        self._collector.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        for timer in self._timers:
            timer.join()
        for client in self._clients:
            client.close()
        self.refuse_connections(loses_history=False)
        self._collector.join()
        if self.defects:
            raise RuntimeError(f"the fake API server failed {len(self.defects)} times") from self.defects[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def client(self) -> kubernetes.client.ApiClient:
        """A new official client for this server; closed with it."""
        configuration = kubernetes.client.Configuration()
        configuration.host = self.url
        self._clients.append(kubernetes.client.ApiClient(configuration))
        return self._clients[-1]

    def kubeconfig(self, path: Path, namespace: str = "default") -> Path:
        """Write a kubeconfig whose only context is this server."""
        context = {"cluster": "fake", "user": "fake", "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": ADMIN_TOKEN}}],
            "contexts": [{"name": "fake", "context": context}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    # What it was asked

    def note(self, request: Request) -> None:
        noted = (request.method, request.path, request.query, request.content_type, request.body)
        self.requests.append(NotedRequest(time.monotonic(), *noted))

    def requests_of(self, method: str, path_contains: str = "") -> list[NotedRequest]:
        return [one for one in list(self.requests) if one.method == method and path_contains in one.path]

    def answer(self, request: Request, is_closing: Callable[[], bool]) -> Answer:
        """Authentication and injected outages, then the API."""
        self.faults.raise_failure(request)
        epoch = self._watch_epoch

        def is_over() -> bool:
            return is_closing() or (request.asks("watch") and self._watch_epoch != epoch)

        answer = self.api.answer(request, self._user(request), is_over)
        if answer.stream is not None and request.asks("watch"):
            answer.stream = (one for one in answer.stream if epoch not in self._silent_epochs)
        return answer

    def _user(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme and token not in self.users:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return request.headers.get("impersonate-user") or self.users.get(token, ADMIN)

    # How it fails

    def fail_next(
        self,
        count: int = 1,
        status: int = 503,
        headers: dict[str, str] | None = None,
        method: str | None = None,
        path_contains: str = "",
    ) -> None:
        """The next `count` requests (of that method and path) are refused with `status` and not carried out."""
        self.faults.fail_next(count, status, headers, method, path_contains)

    def lose_answers(self, count: int = 1, method: str | None = None, path_contains: str = "") -> None:
        """The next `count` requests are carried out, but the connection breaks before the answer."""
        self.faults.lose_answers(count, method, path_contains)

    def drop_log_streams(self, after_lines: int, times: int = 1, bytes_of_next: int = 0, cleanly: bool = False) -> None:
        """The next `times` followed logs end after that many lines and bytes: broken off, or `cleanly`."""
        for _ in range(times):
            self.faults.cut_log_stream(LogCut(after_lines, bytes_of_next, cleanly))

    def deny_create(self, message: str, plural: str = "*") -> None:
        """An admission webhook denies creates: 403 with that message, until `clear_faults`."""
        self.faults.deny_create(message, plural)

    def forbid(self, verb: str, plural: str, user: str | None = None) -> None:
        """RBAC: 403 for that verb on that resource (`pods/log` for a subresource, `*` for all)."""
        self.faults.forbid(verb, plural, user)

    def clear_faults(self) -> None:
        self.faults.clear()

    def expire_watches(self) -> None:
        """Open watches end cleanly, and every version that anybody has seen is too old: 410 Expired."""
        self._watch_epoch += 1
        self.store.forget_history()

    def end_watches(self) -> None:
        """Open watches end cleanly, as with their timeout."""
        with self.store.changed:
            self._watch_epoch += 1
            self.store.changed.notify_all()

    def refuse_connections(self, loses_history: bool = True) -> None:
        """As a killed server: its socket closes and open connections break. A restarted one's watch history is gone."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        if loses_history:
            self.store.forget_history()

    def accept_connections(self) -> None:
        """Listen, again on the same port."""
        if self._listener is None:
            self._listener = Listener(self._port, self)
            self._port = self._listener.server_address[1]

    def stop_gracefully(self, hang_seconds: float) -> None:
        """As after SIGTERM: connections are refused at once, open watches fall silent and end cleanly after a while."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._silent_epochs.add(self._watch_epoch)
        listener.stop_listening()

        def end() -> None:
            self.expire_watches()
            deadline = time.monotonic() + LAST_CHUNK_SECONDS
            while listener.open_streams and time.monotonic() < deadline:
                time.sleep(0.005)
            listener.stop()

        self._timers.append(threading.Timer(hang_seconds, end))
        self._timers[-1].start()

    @contextlib.contextmanager
    def away(self, loses_history: bool = True) -> Iterator[None]:
        """Refuse connections inside the block."""
        self.refuse_connections(loses_history)
        try:
            yield
        finally:
            self.accept_connections()

    def away_for(self, seconds: float, loses_history: bool = True) -> None:
        """Refuse connections from now on; a timer opens the port again."""
        self.refuse_connections(loses_history)
        self._timers.append(threading.Timer(seconds, self.accept_connections))
        self._timers[-1].start()

    # The cluster around it

    def add_namespace(self, name: str) -> None:
        self.api.creator.namespaces.setdefault(name, Namespace())

    def terminate_namespace(self, name: str) -> None:
        """Creates in it are refused from now on."""
        self.api.creator.namespaces.setdefault(name, Namespace()).is_terminating = True

    def limit(self, namespace: str, plural: str, quota: str = "q", limit: int = 0) -> None:
        """A quota on the number of objects of that resource, finished ones included."""
        self.api.creator.namespaces.setdefault(namespace, Namespace()).quotas[plural] = (quota, limit)

    def enforce(self, quota: Json) -> None:
        """What a ResourceQuota says of numbers of objects."""
        metadata = quota["metadata"]
        for counted, limit in quota["spec"]["hard"].items():
            if counted.startswith("count/"):
                plural = counted.removeprefix("count/").partition(".")[0]
                self.limit(metadata["namespace"], plural, metadata["name"], int(limit))

    def lift_limit(self, namespace: str, plural: str) -> None:
        """There is room again."""
        self.api.creator.namespaces[namespace].quotas.pop(plural, None)

    def _collect_garbage(self) -> None:
        while not self._is_stopped.is_set():
            with self.store.changed:
                deadline = self.garbage.do_what_is_due()
                wait = 0.25 if deadline is None else min(0.25, max(0.0, deadline - time.monotonic()))
                self.store.changed.wait(wait)
