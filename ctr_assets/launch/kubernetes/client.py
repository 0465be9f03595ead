"""The API server as the launchers use it: one client for any custom resource, patient with a server that is away.

Holds no state of a run. Follows by asking, never by watching: a silent watch is not a live one (a server that stops
leaves it open for a minute), a resource version expires, and one GET in two seconds for each running job is nothing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import urllib3
from kubernetes import client as kubernetes
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.kinds import JOB_SET, Kind
from ctr_assets.launch.kubernetes.log_stream import LogStream
from ctr_assets.launch.kubernetes.pauses import growing_pauses

T = TypeVar("T")

RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
REQUEST_TIMEOUT_SECONDS: Final = 15.0
SILENCE_SECONDS: Final = 60.0
"""A followed log that is silent for so long is opened again: a lost connection is silent too."""


class DeletionTimeoutError(TimeoutError):
    """A deleted resource is still there, as its pods do not end; or nobody can see whether it is."""


@dataclass(frozen=True)
class Event:
    """What the cluster says of an object, when first and when last. Kubelets and operators say whole seconds."""

    reason: str
    message: str
    at: datetime | None
    last: datetime | None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True)
class ResourceClient:
    """Create, read and delete one kind of custom resource in one namespace.

    Every call is repeated with jittered, growing pauses while the server is away, overloaded or restarting, for at most
    ``patience_seconds``; a refusal (403, 404, 409, 422) is final at once.
    """

    api: kubernetes.ApiClient
    namespace: str
    kind: Kind
    patience_seconds: float = 900.0
    on_retry: Callable[[str], None] = field(default=lambda _: None)

    def create(self, manifest: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Create, or find what already has that name: the resource, and whether this call created it.

        A namesake that is being deleted is waited for. Raises ApiException on any other refusal.
        """
        name = manifest["metadata"]["name"]
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                return self._patiently(lambda: self._custom().create_namespaced_custom_object(
                    *self._place(), body=manifest, field_validation="Strict", **_TIMEOUT)), True  # fmt: skip
            except ApiException as e:
                if e.status != 409 or time.monotonic() > deadline:
                    raise
            existing = self.get(name)
            if existing is not None and "deletionTimestamp" not in existing["metadata"]:
                return existing, False
            time.sleep(0.5)

    def of(self, kind: Kind) -> "ResourceClient":
        """The same for another kind of resource."""
        return replace(self, kind=kind)

    def get(self, name: str) -> dict[str, Any] | None:
        """The resource as it is now, None when there is none."""
        return self._unless_missing(
            lambda: self._custom().get_namespaced_custom_object(*self._place(), name, **_TIMEOUT)
        )

    def find(self, selector: str) -> list[dict[str, Any]]:
        """All resources with the labels that ``selector`` asks for."""
        found = self._patiently(
            lambda: self._custom().list_namespaced_custom_object(*self._place(), label_selector=selector, **_TIMEOUT)
        )
        return list(found["items"])

    def delete(self, name: str, uid: str, timeout_seconds: float = 90.0) -> None:
        """Delete and wait until it and its pods are gone; no error when they already are.

        A namesake with another uid is left alone. Raises :class:`DeletionTimeoutError`.
        """
        self._delete(name, uid)
        for orphan in self.orphans(name):
            self.of(JOB_SET)._delete(name, orphan["metadata"]["uid"])
        self.wait_until_gone(name, uid, timeout_seconds)

    def _delete(self, name: str, uid: str) -> None:
        options = kubernetes.V1DeleteOptions(
            propagation_policy=self.kind.propagation, preconditions=kubernetes.V1Preconditions(uid=uid)
        )
        try:
            self._unless_missing(
                lambda: self._custom().delete_namespaced_custom_object(*self._place(), name, body=options, **_TIMEOUT)
            )
        except ApiException as e:
            if e.status != 409:  # another uid has the name: ours is gone
                raise

    def orphans(self, name: str | None = None, selector: str = "") -> list[dict[str, Any]]:
        """Children without an owner: somebody deleted what made them, and told the cluster to leave them.

        A living resource's child is none: it would be made anew, and the job would run again.
        """
        if self.kind.child is None:
            return []
        child = self.of(self.kind.child)
        found = child.find(selector) if name is None else filter(None, [child.get(name)])
        return [one for one in found if not one["metadata"].get("ownerReferences")]

    def wait_until_gone(self, name: str, uid: str, timeout_seconds: float = 90.0) -> None:
        """Wait for the end of a resource that is being deleted. Raises :class:`DeletionTimeoutError`."""
        what, deadline = f"{self.kind.kind} {self.namespace}/{name}", time.monotonic() + timeout_seconds
        try:
            while self._is_there(name, uid):
                if time.monotonic() > deadline:
                    raise DeletionTimeoutError(
                        f"{what} is still there {timeout_seconds:.0f} s after its deletion: its pods do not end; look "
                        "at them with kubectl get pods"
                    )
                time.sleep(0.2)
        except (ApiException, urllib3.exceptions.HTTPError) as e:
            raise DeletionTimeoutError(f"{what} is deleted, but cannot be seen to be gone: {brief(e)}") from e

    def _is_there(self, name: str, uid: str) -> bool:
        """Whether it is, or what a delete in the background leaves for a moment: child, snapshot, pods."""
        found = self.get(name)
        if found is not None or self.kind.child is None:
            return found is not None and bool(found["metadata"]["uid"] == uid)
        return (
            self.of(self.kind.child).get(name) is not None
            or bool(self.pods(name))
            or self._has_snapshot_that_goes(name)
        )

    def _has_snapshot_that_goes(self, name: str) -> bool:
        """The copy of a TrainJob's runtime. One without an owner, left by an orphaning delete, harms nobody."""
        core = kubernetes.CoreV1Api(self.api)
        snapshot = self._unless_missing(
            lambda: core.read_namespaced_config_map(f"{name}-runtime-snapshot", self.namespace, **_TIMEOUT)
        )
        return snapshot is not None and bool(snapshot.metadata.owner_references)

    def pods(self, name: str) -> list[kubernetes.V1Pod]:
        """Every pod of a resource that is there now."""
        selector = f"{self.kind.pod_label}={name}"
        core = kubernetes.CoreV1Api(self.api)
        return list(
            self._patiently(lambda: core.list_namespaced_pod(self.namespace, label_selector=selector, **_TIMEOUT)).items
        )

    def main_pod(self, name: str) -> kubernetes.V1Pod | None:
        """The driver's or rank 0's pod, None while (or once) there is none.

        A job that was suspended and resumed has a new one beside the one that ends.
        """
        found = filter(self.is_main, self.pods(name))
        return max(
            found,
            key=lambda pod: (pod.metadata.deletion_timestamp is None, pod.metadata.creation_timestamp),
            default=None,
        )

    def is_main(self, pod: kubernetes.V1Pod) -> bool:
        """Whether a pod is the one that runs the entry point and reports."""
        return self.kind.main_pod.items() <= (pod.metadata.labels or {}).items()

    def events(self, object_name: str) -> list[Event]:
        """What the cluster says of an object, oldest first."""
        core = kubernetes.CoreV1Api(self.api)
        found = self._patiently(
            lambda: core.list_namespaced_event(
                self.namespace, field_selector=f"involvedObject.name={object_name}", **_TIMEOUT
            )
        ).items
        return [
            Event(one.reason, one.message or "", one.first_timestamp or one.event_time, one.last_timestamp)
            for one in found
        ]

    def open_log(
        self, pod: str, *, since: str | None = None, follow: bool = False, tail: int | None = None
    ) -> LogStream | None:
        """The log of a pod's main container as it is, or as it grows; None while (or once) there is none.

        ``since`` is a time stamp, its own lines included. Asked for once: whoever follows a log asks again anyway.
        The official method has no ``sinceTime`` and returns ``str(bytes)``, so this asks the path itself.
        """
        query: list[tuple[str, Any]] = [("container", self.kind.container), ("timestamps", True)]
        query += [("sinceTime", since)] if since else []
        query += [("follow", True)] if follow else []
        query += [("tailLines", tail)] if tail is not None else []
        try:
            response = self.api.call_api(
                f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log",
                "GET",
                query_params=query,
                header_params={"Accept": "*/*"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(REQUEST_TIMEOUT_SECONDS, SILENCE_SECONDS if follow else REQUEST_TIMEOUT_SECONDS),
            )
        except ApiException as e:
            if e.status in (400, 404):  # the container has not started, or the pod is gone
                return None
            raise
        return LogStream(response)

    def log_tail(self, pod: str, lines: int) -> list[str]:
        """The last lines of a pod's log, each with its time stamp in front."""

        def read() -> list[str]:
            stream = self.open_log(pod, tail=lines)
            return [] if stream is None else [*stream, *filter(None, [stream.rest])]

        return self._patiently(read)

    def _unless_missing(self, call: Callable[[], T]) -> T | None:
        try:
            return self._patiently(call)
        except ApiException as e:
            if e.status == 404:
                return None
            raise

    def _patiently(self, call: Callable[[], T]) -> T:
        deadline = time.monotonic() + self.patience_seconds
        for pause in growing_pauses(0.25, most=5.0):
            try:
                return call()
            except (ApiException, urllib3.exceptions.HTTPError) as e:
                refused = isinstance(e, ApiException) and e.status not in RETRIED_STATUSES
                wait = max(pause, _asked_pause(e))
                if refused or time.monotonic() + wait > deadline:
                    raise
                self.on_retry(f"the API server does not answer ({brief(e)}); asking again in {wait:.1f} s")
            time.sleep(wait)
        raise AssertionError("pauses never end")

    def _custom(self) -> kubernetes.CustomObjectsApi:
        return kubernetes.CustomObjectsApi(self.api)

    def _place(self) -> tuple[str, str, str, str]:
        return self.kind.group, self.kind.version, self.namespace, self.kind.plural


_TIMEOUT: Final[dict[str, Any]] = {"_request_timeout": REQUEST_TIMEOUT_SECONDS}


def message_of(error: ApiException) -> str:
    """What the API server says of a refusal; its body may be JSON or text, as bytes or not."""
    try:
        return str(json.loads(error.body or "{}").get("message", "")).strip()
    except (json.JSONDecodeError, AttributeError):
        return str(error.body).strip()


def _asked_pause(error: Exception) -> float:
    """Seconds to wait that the server asks for by Retry-After, as with a 429; 0 when it does not."""
    told = (error.headers or {}).get("Retry-After", "") if isinstance(error, ApiException) else ""
    return float(told) if told.isdigit() else 0.0


def brief(error: Exception) -> str:
    """What went wrong with a request, in a word or two."""
    return f"HTTP {error.status}" if isinstance(error, ApiException) else type(error).__name__
