"""The node's part between the recorded exchanges: pods that start, say something, crash and end."""

import time
from collections.abc import Callable

from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.admission import set_defaults
from ctr_assets_tests.kubernetes.exchanging import Exchanger, nanoseconds_now
from ctr_assets_tests.kubernetes.manifests import pod
from ctr_assets_tests.kubernetes.resources import EVENTS, PODS, Json
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.timestamps import parse_nanoseconds

QUIET = "quiet"
SHORT_SECONDS = 0.06
SECOND_NS = 1_000_000_000
LAST_LINE_BEFORE_FOLLOW = "line 5"
CANNOT_SCHEDULE = (
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, "
    "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)


class NodeStage:
    """The pods of one sequence of recordings."""

    def __init__(self, server: FakeApiServer, exchanger: Exchanger) -> None:
        self.server, self.exchanger = server, exchanger

    def _edit_pod(self, name: str, change: Callable[[Json], None]) -> Json:
        return self.server.store.edit(PODS, QUIET, name, change)

    def wait(self, name: str, reason: str = "ContainerCreating") -> None:
        self._edit_pod(name, pod_states.schedule)
        self._edit_pod(name, lambda obj: pod_states.wait(obj, reason))

    def run_lg(self, file: list[Json]) -> None:
        found = self._edit_pod("lg", pod_states.run)
        log = self.server.logs.of(found["metadata"]["uid"], "main")
        stamped = _step(file, "timestamps")["response"]["body"].splitlines()
        stamps = {line.partition(" ")[2]: parse_nanoseconds(line.partition(" ")[0]) for line in stamped}
        # As if the client asked just after the line that was the last one when it did.
        shift = nanoseconds_now() - stamps[LAST_LINE_BEFORE_FOLLOW] - 500_000_000
        # Whole seconds, which are waited for: the server floors a sinceTime to its second.
        time.sleep((-shift % SECOND_NS) / SECOND_NS)
        self.exchanger.log_shift_ns = shift + -shift % SECOND_NS
        for i, line in enumerate(_step(file, "log")["response"]["body"].splitlines()):
            earlier = stamps["line 3"] - (4 - i) * 500_000_000
            log.write(f"{line}\n".encode(), stamps.get(line, earlier) + self.exchanger.log_shift_ns)

    def say_the_rest(self, file: list[Json]) -> None:
        uid = self.server.store.get(PODS, QUIET, "lg")["metadata"]["uid"]
        log = self.server.logs.of(uid, "main")
        answer = _step(file, "follow to the end")["response"]
        lines = [frame["line"] + "\n" for frame in answer["frames"][1:]] + [answer["rest_without_newline"]]
        for line in lines:
            time.sleep(0.005)
            stamp, _, text = line.partition(" ")
            log.write(text.encode(), parse_nanoseconds(stamp) + self.exchanger.log_shift_ns)
        log.close()

    def end(self, name: str) -> None:
        self._edit_pod(name, lambda obj: pod_states.end_container(obj, 0, "Completed"))
        self._edit_pod(name, pod_states.end)

    def create_more_pods(self, file: list[Json]) -> None:
        for name in ("lg2", "lgnoimg", "lginit", "lgpend", "lgwait", "lgcrash"):
            manifest = pod(name, *(("a", "b") if name == "lg2" else ()), labels={"app": "lg"})
            if name == "lginit":
                manifest["spec"]["initContainers"] = [{"name": "init", "image": "localhost/busybox:1"}]
            manifest["metadata"]["namespace"] = QUIET
            set_defaults(PODS, manifest)
            self.server.store.create(PODS, manifest)
        self.wait("lg2")
        two = self._edit_pod("lg2", pod_states.run)
        self._edit_pod("lg2", _say_both_containers)
        self.server.logs.of(two["metadata"]["uid"], "b").write(b"from b\n")
        self.wait("lgnoimg", "ErrImagePull")
        self.wait("lginit", "PodInitializing")
        uid = self.server.store.get(PODS, QUIET, "lginit")["metadata"]["uid"]
        self.server.logs.of(uid, "init").write(b"initializing\n")
        self._edit_pod("lgpend", lambda obj: pod_states.leave_unschedulable(obj, CANNOT_SCHEDULE))
        self.wait("lgwait")
        self._crash_twice(_step(file, "restarting container: current")["response"]["body"])

    def _crash_twice(self, said: str) -> None:
        self.wait("lgcrash")
        self._edit_pod("lgcrash", pod_states.run)
        self._edit_pod("lgcrash", lambda obj: pod_states.end_container(obj, 2, "Error"))
        crashed = self._edit_pod("lgcrash", pod_states.restart_container)
        self.server.logs.of(crashed["metadata"]["uid"], "main").write(said.encode())
        self._edit_pod("lgcrash", lambda obj: pod_states.end_container(obj, 2, "Error", will_restart=True))
        lost = pod_states.container_status(crashed)["lastState"]["terminated"]["containerID"]
        self.exchanger.names["containerd://cac90c91bb1516b9b2076e15e5ef0b3f4db4bbdf58bebf2cb1d7d719c9d3603e"] = lost

    def put_events(self, file: list[Json]) -> None:
        uid = self.server.store.get(PODS, QUIET, "lgnoimg")["metadata"]["uid"]
        self.exchanger.names["259b43f7-8b70-4632-89c2-c3093951b4d1"] = uid
        for exchange in file:
            if exchange["step"].startswith("events"):
                for event in exchange["response"]["body"].get("items", []):
                    about = event["involvedObject"]
                    known = about | {"uid": self.exchanger.names.get(about["uid"], about["uid"])}
                    kind = {"kind": "Event", "apiVersion": "v1", "involvedObject": known}
                    self.server.store.create(EVENTS, event | kind)
        # One more than a page of one holds.
        more = event | {"metadata": {"name": "lgcrash.f", "namespace": QUIET}, "reason": "BackOff"}
        self.server.store.create(EVENTS, more | {"kind": "Event", "apiVersion": "v1"})

    def end_log(self, name: str) -> None:
        time.sleep(SHORT_SECONDS)
        uid = self.server.store.get(PODS, QUIET, name)["metadata"]["uid"]
        self.server.logs.close_pod(uid)
        self.server.garbage.claimed.add(uid)

    def leave(self, name: str) -> None:
        found = self.server.store.get(PODS, QUIET, name)
        self.server.garbage.pod_ended((PODS, QUIET, name), found["metadata"]["uid"])


def _say_both_containers(obj: Json) -> None:
    statuses = obj["status"]["containerStatuses"]
    statuses.append(statuses[0] | {"name": "b"})


def _step(file: list[Json], beginning: str) -> Json:
    exact = [one for one in file if one["step"] == beginning]
    return (exact or [one for one in file if one["step"].startswith(beginning)])[0]
