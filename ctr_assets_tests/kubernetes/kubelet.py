"""Plays the scheduler and the node: takes pods through their states, runs their containers, ends deleted ones."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.event_recorder import EventRecorder
from ctr_assets_tests.kubernetes.resources import PODS, Json
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.storage import Key, key_of
from ctr_assets_tests.kubernetes.workloads import Workload

# Seconds as recorded; a run's `speed` divides them.
CREATING_SECONDS = 0.4
PHASE_LAG_SECONDS = 1.0
PULL_RETRY_SECONDS = 12.0
UNPULLED_END_SECONDS = 0.8
RESTART_SECONDS = 0.1

ALREADY_PRESENT = 'Container image "{image}" already present on machine and can be accessed by the pod'
CANNOT_PULL = (
    'failed to pull and unpack image "{image}": failed to resolve reference "{image}": failed to do request: '
    'Head "http://localhost/v2/manifests": dial tcp 127.0.0.1:80: connect: connection refused'
)


@dataclass
class PodRun:
    """One pod on the node."""

    key: Key
    uid: str
    workload: Workload | None
    is_deleted: threading.Event = field(default_factory=threading.Event)
    is_removed: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Kubelet:
    """Runs pods on threads of its own. `close` kills what still runs and joins them."""

    def __init__(self, server: FakeApiServer, speed: float) -> None:
        self.server, self.speed = server, speed
        self.events = EventRecorder(server.store)
        self.errors: list[Exception] = []
        self._runs: dict[str, PodRun] = {}
        self._lock = threading.Lock()

    def run(
        self, pod: Json, workload: Workload, starts_after: Callable[[], bool] | None = None, restarts: bool = False
    ) -> None:
        """Schedule a pod of the store and run its container, in place again after a failure if it `restarts`.

        `starts_after` is what its init container waits for.
        """
        self._start(pod, workload, lambda run: self._play(run, pod, workload, starts_after, restarts))

    def fail_to_pull(self, pod: Json) -> None:
        """Schedule a pod whose image is nowhere: ErrImagePull and ImagePullBackOff in turn, for ever."""
        self._start(pod, None, lambda run: self._retry_pulls(run, pod))

    def cannot_schedule(self, pod: Json, message: str) -> None:
        self._edit(pod, lambda obj: pod_states.leave_unschedulable(obj, message))
        self.events.of_scheduler(pod, "FailedScheduling", message)

    def workload_of(self, pod_uid: str) -> Workload | None:
        with self._lock:
            run = self._runs.get(pod_uid)
        return run.workload if run else None

    def look_at(self, pod: Json, is_gone: bool) -> None:
        """Take note of a change of a pod: a deletion ends its container."""
        with self._lock:
            run = self._runs.get(pod["metadata"]["uid"])
        if run is None:
            return
        if is_gone:
            run.is_deleted.set()
            run.is_removed.set()
            if run.workload is not None:
                run.workload.kill()
        elif "deletionTimestamp" in pod["metadata"] and not run.is_deleted.is_set():
            run.is_deleted.set()
            name = pod_states.main_container(pod)["name"]
            if pod_states.is_running(pod):
                self.events.of_kubelet(pod, "Killing", f"Stopping container {name}")
            if run.workload is not None:
                grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
                run.workload.terminate(grace * self.server.garbage.grace_scale)

    def close(self) -> None:
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.is_deleted.set()
            run.is_removed.set()
            if run.workload is not None:
                run.workload.kill()
        for run in runs:
            if run.thread is not None:
                run.thread.join()

    def _start(self, pod: Json, workload: Workload | None, play: Callable[[PodRun], None]) -> None:
        uid = pod["metadata"]["uid"]
        run = PodRun(key_of(PODS, pod), uid, workload)
        run.thread = threading.Thread(target=self._play_to_the_end, args=(run, play), name=f"pod-{run.key[2]}")
        self.server.garbage.claimed.add(uid)
        with self._lock:
            self._runs[uid] = run
            run.thread.start()

    def _play_to_the_end(self, run: PodRun, play: Callable[[PodRun], None]) -> None:
        try:
            play(run)
        except Exception as e:
            # 404: removed under our hands, by force.
            if not (isinstance(e, ApiError) and e.code == 404):
                self.errors.append(e)
            if run.workload is not None:
                run.workload.kill()
        finally:
            self.server.logs.close_pod(run.uid)
            self.server.garbage.pod_ended(run.key, run.uid)

    def _play(
        self,
        run: PodRun,
        pod: Json,
        workload: Workload,
        starts_after: Callable[[], bool] | None,
        restarts: bool,
    ) -> None:
        self._schedule(pod)
        self._edit(pod, lambda obj: pod_states.wait(obj, "PodInitializing" if starts_after else "ContainerCreating"))
        while starts_after is not None and not starts_after():
            with self.server.store.changed:
                self.server.store.changed.wait(0.05)
            if run.is_deleted.is_set():
                break
        container = pod_states.main_container(pod)
        self.events.of_kubelet(pod, "Pulled", ALREADY_PRESENT.format(image=container.get("image", "")))
        run.is_deleted.wait(CREATING_SECONDS / self.speed)
        if run.is_deleted.is_set():
            self._edit(pod, pod_states.lose_container)
            return
        log = self.server.logs.of(run.uid, container["name"])
        workload.start(log)
        self._end_if_deleted_meanwhile(run, workload)
        self.events.of_kubelet(pod, "Created", "Container created")
        self.events.of_kubelet(pod, "Started", "Container started")
        self._edit(pod, pod_states.run)
        exit_code, reason = workload.wait()
        if reason == "StartError":
            self.events.of_kubelet(pod, "Failed", "Error: failed to start container", "Warning")
        while restarts and exit_code != 0 and not run.is_deleted.is_set():
            self._end_container(pod, exit_code, reason, will_restart=True)
            run.is_deleted.wait(RESTART_SECONDS / self.speed)
            log = self.server.logs.restart(run.uid, container["name"])
            workload.start(log)
            self._end_if_deleted_meanwhile(run, workload)
            self._edit(pod, pod_states.restart_container)
            exit_code, reason = workload.wait()
        log.close()
        if run.is_deleted.is_set():
            # A pod that is being deleted shows its end in one step and stays for another moment.
            self._edit(pod, lambda obj: pod_states.end_at_once(obj, exit_code, reason))
            run.is_removed.wait(PHASE_LAG_SECONDS / self.speed)
            return
        self._end_container(pod, exit_code, reason)
        run.is_deleted.wait(PHASE_LAG_SECONDS / self.speed)
        self._edit(pod, pod_states.end)

    def _end_container(self, pod: Json, exit_code: int, reason: str, will_restart: bool = False) -> None:
        self._edit(pod, lambda obj: pod_states.end_container(obj, exit_code, reason, will_restart))

    def _end_if_deleted_meanwhile(self, run: PodRun, workload: Workload) -> None:
        if run.is_removed.is_set():
            workload.kill()
        elif run.is_deleted.is_set():
            workload.terminate(0)

    def _retry_pulls(self, run: PodRun, pod: Json) -> None:
        self._schedule(pod)
        self._edit(pod, lambda obj: pod_states.wait(obj, "ContainerCreating"))
        image = pod_states.main_container(pod).get("image", "")
        fault = CANNOT_PULL.format(image=image)
        told = f'Back-off pulling image "{image}": ErrImagePull: {fault}'
        while not run.is_deleted.is_set():
            self.events.of_kubelet(pod, "Pulling", f'Pulling image "{image}"')
            self.events.of_kubelet(pod, "Failed", f'Failed to pull image "{image}": {fault}', "Warning")
            self.events.of_kubelet(pod, "Failed", "Error: ErrImagePull", "Warning")
            self._edit(pod, lambda obj: pod_states.wait(obj, "ErrImagePull", fault))
            if run.is_deleted.wait(PULL_RETRY_SECONDS / self.speed):
                break
            self.events.of_kubelet(pod, "BackOff", f'Back-off pulling image "{image}"')
            self.events.of_kubelet(pod, "Failed", "Error: ImagePullBackOff", "Warning")
            self._edit(pod, lambda obj: pod_states.wait(obj, "ImagePullBackOff", told))
            run.is_deleted.wait(PULL_RETRY_SECONDS / self.speed)
        run.is_removed.wait(UNPULLED_END_SECONDS / self.speed)
        self._edit(pod, pod_states.lose_container)

    def _schedule(self, pod: Json) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._edit(pod, pod_states.schedule)
        self.events.of_scheduler(pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {pod_states.NODE}")

    def _edit(self, pod: Json, change: Callable[[Json], None]) -> None:
        """Raises 404 where the pod is gone, also when another one has its name."""
        metadata = pod["metadata"]
        with self.server.store.changed:
            present = self.server.store.get(PODS, metadata["namespace"], metadata["name"])
            if present["metadata"]["uid"] != metadata["uid"]:
                raise ApiError(404, f"pod {metadata['name']} has another uid", "NotFound")
            self.server.store.edit(PODS, metadata["namespace"], metadata["name"], change)
