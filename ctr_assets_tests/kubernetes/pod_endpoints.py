"""The two endpoints that only pods have: their log and their eviction."""

from collections.abc import Callable, Iterator

from ctr_assets_tests.kubernetes.answers import Answer, ConnectionDroppedError
from ctr_assets_tests.kubernetes.faults import Faults
from ctr_assets_tests.kubernetes.garbage import DeleteOptions, GarbageCollector
from ctr_assets_tests.kubernetes.logs import Logs
from ctr_assets_tests.kubernetes.paths import ApiPath, Request
from ctr_assets_tests.kubernetes.pod_logs import find_log, parse_options
from ctr_assets_tests.kubernetes.resources import PODS, Json
from ctr_assets_tests.kubernetes.storage import Store
from ctr_assets_tests.kubernetes.timestamps import now


class PodEndpoints:
    """Answers for `pods/NAME/log` and `pods/NAME/eviction`."""

    def __init__(self, store: Store, garbage: GarbageCollector, logs: Logs, faults: Faults) -> None:
        self.store, self.garbage, self.logs, self.faults = store, garbage, logs, faults

    def log(self, path: ApiPath, request: Request, is_over: Callable[[], bool]) -> Answer:
        options = parse_options(path.name, request.query)
        pod = self.store.get(PODS, path.namespace, path.name)
        log = find_log(pod, options, self.logs)
        if log is None:
            return Answer(204)
        if isinstance(log, str):
            return Answer(text=log.encode())
        if not options.follow:
            lines = log.read(options.since_ns, options.tail)
            return Answer(text=b"".join(line.render(options.timestamps) for line in lines)[: options.limit_bytes])
        cut, followed = self.faults.next_log_cut(), log.follow(options.since_ns, options.tail, is_over)

        def stream() -> Iterator[bytes]:
            for count, line in enumerate(followed):
                rendered = line.render(options.timestamps)
                if cut is not None and count == cut.after_lines:
                    if cut.bytes_of_next:
                        yield rendered[: cut.bytes_of_next]
                    if cut.cleanly:
                        return
                    raise ConnectionDroppedError
                yield rendered

        return Answer(stream=stream(), stream_type="text/plain")

    def evict(self, namespace: str, name: str) -> Answer:
        def mark(pod: Json) -> None:
            told = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
            condition = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": now()} | told
            pod.setdefault("status", {}).setdefault("conditions", []).append(condition)

        with self.store.changed:
            self.store.edit(PODS, namespace, name, mark)
            self.garbage.delete(PODS, namespace, name, DeleteOptions())
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return Answer(201, json=done)
