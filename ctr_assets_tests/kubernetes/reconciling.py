"""What both operators have in common: one custom resource that they play, its status and its pods."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.garbage import DeleteOptions
from ctr_assets_tests.kubernetes.kubelet import Kubelet
from ctr_assets_tests.kubernetes.resources import PODS, PYTORCH_JOBS, SPARK_APPLICATIONS, TRAIN_JOBS, Json, Resource
from ctr_assets_tests.kubernetes.scenarios import Interruption, Scenario
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.workloads import ScriptedWorkload, Workload

BEGUN_ANEW = (SPARK_APPLICATIONS, PYTORCH_JOBS)
"""Played from the beginning when they are resumed; the other plays see to a suspension themselves."""
LOOK_SECONDS = 0.1


class GoneError(Exception):
    """The custom resource is deleted, or being deleted: its operator leaves it alone."""


class SuspendedError(Exception):
    """Somebody has suspended the custom resource while its operator waited for something else."""


@dataclass
class Played:
    """One custom resource (one uid) in play."""

    server: FakeApiServer
    kubelet: Kubelet
    resource: Resource
    object: Json
    scenario: Scenario
    component: str
    speed: float
    away: set[str]
    is_gone: threading.Event = field(default_factory=threading.Event)
    _seen_version: int = 0

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        return str(self.object["metadata"]["uid"])

    @property
    def spec(self) -> Json:
        spec: Json = self.object["spec"]
        return spec

    def pause(self, recorded_seconds: float) -> None:
        """Wait as long as the recording did, divided by the speed. Raises GoneError and SuspendedError."""
        self.pause_really(recorded_seconds / self.speed)

    def pause_really(self, seconds: float) -> None:
        if self.is_gone.wait(seconds):
            raise GoneError
        self.heed_suspension()

    def is_suspended(self) -> bool:
        """Raises GoneError."""
        spec: Json = self.present()["spec"]
        return bool(spec.get("suspend") or spec.get("runPolicy", {}).get("suspend"))

    def heed_suspension(self) -> None:
        """Raises SuspendedError."""
        if self.resource in BEGUN_ANEW and self.is_suspended():
            raise SuspendedError

    def wait_while(self, is_so: Callable[[], bool]) -> None:
        """Suspended or not. Raises GoneError."""
        while is_so():
            with self.server.store.changed:
                self.server.store.changed.wait(0.1)
            if self.is_gone.is_set():
                raise GoneError

    def present(self) -> Json:
        """The resource as it stands. Raises GoneError."""
        found = self.server.store.find(self.resource, self.namespace, self.name)
        if found is None or found["metadata"]["uid"] != self.uid or self.is_left_alone(found):
            raise GoneError
        return found

    def is_left_alone(self, obj: Json) -> bool:
        """Whether its operator is through with it, as it is being deleted. Trainer does not look at that."""
        return "deletionTimestamp" in obj["metadata"] and self.resource != TRAIN_JOBS

    def set_status(self, status: Json) -> None:
        """Raises GoneError."""
        with self.server.store.changed:
            obj = self.present()
            obj["status"] = status
            self.server.store.write(self.resource, obj)

    def event(self, reason: str, message: str) -> None:
        self.kubelet.events.of_operator(self.component, self.resource, self.object, reason, message)

    def event_in_series(self, reason: str, message: str) -> None:
        self.kubelet.events.of_controller(self.component, self.resource, self.object, reason, message)

    def owner_reference(self) -> Json:
        named = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, "name": self.name}
        return named | {"uid": self.uid, "controller": True, "blockOwnerDeletion": True}

    def create_pod(
        self, name: str, labels: dict[str, str], spec: Json, owners: list[Json], annotations: Json | None = None
    ) -> Json:
        """Raises GoneError, and 409 where a pod of that name is still there."""
        metadata: Json = {"name": name, "namespace": self.namespace, "labels": labels, "ownerReferences": owners}
        metadata |= {"annotations": annotations} if annotations else {}
        defaults = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 30}
        pod: Json = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": defaults | spec}
        with self.server.store.changed:
            self.present()
            return self.server.store.create(PODS, pod | {"status": {"phase": "Pending", "qosClass": "Burstable"}})

    def find_pod(self, pod: Json) -> Json | None:
        """That very pod as it stands, or None: one of the same name does not count."""
        found = self.server.store.find(PODS, self.namespace, pod["metadata"]["name"])
        return found if found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"] else None

    def life_of_pod(self, pod: Json) -> list[Json]:
        """That very pod at each of its changes since it was created: what a watch would have shown."""
        uid, version = pod["metadata"]["uid"], int(pod["metadata"]["resourceVersion"])
        later = [change.object for change in self.server.store.changes_after(version)]
        return [pod, *(obj for obj in later if obj["metadata"]["uid"] == uid)]

    def has_run(self, pod: Json) -> bool:
        """Whether its container runs or ran, however short that was."""
        return any(pod_states.is_running(one) for one in self.life_of_pod(pod))

    def wait_for_change(self) -> None:
        """Until something is written to the store, or a little later. Raises GoneError and SuspendedError."""
        with self.server.store.changed:
            self.server.store.changed.wait(0.1)
        if self.is_gone.is_set():
            raise GoneError
        self.heed_suspension()

    def wait_for_own_change(self) -> None:
        """Until an object is written whose name begins with this one's, or a little later; longer while it is away.

        Raises GoneError.
        """
        deadline = time.monotonic() + LOOK_SECONDS
        while self.component in self.away or not (self._has_changed() or time.monotonic() > deadline):
            with self.server.store.changed:
                self.server.store.changed.wait(LOOK_SECONDS)
            if self.is_gone.is_set():
                raise GoneError

    def _has_changed(self) -> bool:
        changes = self.server.store.changes_after(self._seen_version)
        self._seen_version = changes[-1].version if changes else self._seen_version
        return any(one.object["metadata"]["name"].startswith(self.name) for one in changes)

    def workload(self, process: Callable[[], Workload]) -> Workload:
        """The process, or the script that the scenario puts in its place."""
        scenario = self.scenario
        if scenario.starts_process:
            return process()
        return ScriptedWorkload(scenario.seconds, scenario.exit_code, exit_code_on_term=scenario.exit_code_on_term)

    def interrupt(self, pod: Json) -> None:
        """Let the scenario's accident happen to a pod that has started to run. Raises GoneError."""
        accident = self.scenario.interruption
        if accident is None:
            return
        self.pause_really(self.scenario.after_seconds)
        with self.server.store.changed:
            found = self.find_pod(pod)
            if found is None or pod_states.terminated_state(found) is not None:
                return
            if accident is not Interruption.OOM:
                self._delete_pod(pod["metadata"]["name"], accident)
                return
        workload = self.kubelet.workload_of(pod["metadata"]["uid"])
        if workload is not None:
            workload.kill("OOMKilled")

    def delete_pod(self, pod: Json) -> None:
        try:
            self.server.garbage.delete(PODS, self.namespace, pod["metadata"]["name"], DeleteOptions())
        except ApiError as e:
            if e.code != 404:
                raise

    def _delete_pod(self, name: str, accident: Interruption) -> None:
        if accident is Interruption.EVICT:
            self.server.api.pods.evict(self.namespace, name)
            return
        grace = 0 if accident is Interruption.FORCE_DELETE else None
        self.server.garbage.delete(PODS, self.namespace, name, DeleteOptions(grace_seconds=grace))
