"""The training-operator's part: a PyTorchJob's pods, services and conditions, with the environment of each rank."""

from ctr_assets_tests.deploy.ports import free_port
from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.commands import container_command, plain_env, process_env
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.kubelet import CANNOT_PULL
from ctr_assets_tests.kubernetes.reconciling import Played, SuspendedError
from ctr_assets_tests.kubernetes.resources import SERVICES, Json
from ctr_assets_tests.kubernetes.scenarios import NO_ROOM, UNHEARD_OF, UNSCHEDULABLE
from ctr_assets_tests.kubernetes.timestamps import now
from ctr_assets_tests.kubernetes.workloads import ProcessWorkload, ScriptedWorkload, Workload

COMPONENT = "pytorchjob-controller"
MASTER_PORT = 23456
PREFIX = "training.kubeflow.org"


class PyTorchJobPlay:
    """Plays one PyTorchJob. `play` returns when it has ended and raises GoneError when it is deleted."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._started_at = now()
        self._conditions: list[Json] = []
        self._pods: dict[str, list[Json]] = {}
        self._told: set[str] = set()
        self._real_port = free_port()

    def play(self) -> None:
        while True:
            try:
                self._played.heed_suspension()
                self._play()
                return
            except SuspendedError:
                self._suspend()

    def _suspend(self) -> None:
        """Until it is resumed: its pods go, and what they did is lost."""
        played, name = self._played, self._played.name
        if not self._conditions:
            self._add_condition("Created", f"PyTorchJob {name} is created.")
        self._withdraw("Running", "PyTorchJobSuspended", f"PyTorchJob {name} is suspended.")
        self._conditions = [one for one in self._conditions if one["type"] != "Suspended"]
        self._add_condition("Suspended", f"PyTorchJob {name} is suspended.")
        pods = [pod for kind in self._pods for pod in self._pods[kind]]
        for pod in pods:
            played.delete_pod(pod)
            played.event("SuccessfulDeletePod", f"Deleted pod: {pod['metadata']['name']}")
            played.server.store.remove((SERVICES, played.namespace, pod["metadata"]["name"]))
        self._pods = {}
        self._write_status()
        played.event("PyTorchJobSuspended", f"PyTorchJob {name} is suspended.")
        played.wait_while(lambda: any(map(played.find_pod, pods)) or played.is_suspended())
        self._withdraw("Suspended", "PyTorchJobResumed", f"PyTorchJob {name} is resumed.")
        self._started_at = now()
        self._write_status()
        played.event("PyTorchJobResumed", f"PyTorchJob {name} is resumed.")

    def _withdraw(self, type_: str, reason: str, message: str) -> None:
        """A condition that holds no more."""
        for condition in self._conditions:
            if condition["type"] == type_:
                condition |= {"status": "False", "reason": reason, "message": message, "lastUpdateTime": now()}

    def _play(self) -> None:
        played = self._played
        if played.scenario.submission_seconds is not None:
            played.pause_really(played.scenario.submission_seconds)
        if played.scenario.no_room_seconds is not None:
            played.event("FailedCreatePod", NO_ROOM.format(pod=f"{played.name}-master-0"))
            played.pause_really(played.scenario.no_room_seconds)
        replicas = played.spec["pytorchReplicaSpecs"]
        world = sum(replica.get("replicas", 1) for replica in replicas.values())
        for kind in ("Master", "Worker"):
            self._pods[kind] = []
            for index in range(replicas.get(kind, {"replicas": 0}).get("replicas", 1)):
                self._pods[kind].append(self._create_replica(kind, index, world))
        if not self._conditions:
            self._add_condition("Created", f"PyTorchJob {played.name} is created.")
        self._write_status()
        if played.scenario.unheard_of_seconds is not None:
            self._add_condition(UNHEARD_OF, f"PyTorchJob {played.name} is {UNHEARD_OF}.")
            self._write_status()
            played.pause_really(played.scenario.unheard_of_seconds)
            self._conditions[-1] |= {"status": "False", "lastUpdateTime": now()}
        for kind, pods in self._pods.items():
            for index, pod in enumerate(pods):
                self._start(kind, index, pod, world)
        master = self._pods["Master"][0] if self._pods["Master"] else self._pods["Worker"][0]
        is_running = False
        while not self._outcome():
            if not is_running and played.has_run(master):
                is_running = True
                self._note_running()
                played.interrupt(master)
            else:
                self._tell_exit_codes()
                self._write_status()
                played.wait_for_change()
        if not is_running and played.has_run(master):
            self._note_running()
        self._tell_exit_codes()
        self._finish()

    def _note_running(self) -> None:
        self._conditions = [one for one in self._conditions if one["type"] != "Running"]
        self._add_condition("Running", f"PyTorchJob {self._played.name} is running.")
        self._write_status()

    def _outcome(self) -> tuple[str, str] | None:
        """The condition that ends the job and its message, once there is one."""
        name, counts = self._played.name, self._counts()
        for kind in ("Master", "Worker"):
            if failed := counts[kind]["failed"]:
                return "Failed", f"PyTorchJob {name} is failed because {failed} {kind} replica(s) failed."
        limit = self._played.spec.get("runPolicy", {}).get("backoffLimit")
        if limit is not None and 0 < limit <= sum(counts[kind]["restarts"] for kind in counts):
            return "Failed", f"Job {name} has failed because it has reached the specified backoff limit"
        decisive = "Master" if self._pods["Master"] else "Worker"
        if counts[decisive]["succeeded"] == len(self._pods[decisive]):
            return "Succeeded", f"PyTorchJob {name} is successfully completed."
        return None

    def _finish(self) -> None:
        played = self._played
        outcome = self._outcome()
        assert outcome is not None
        for condition in self._conditions:
            if condition["type"] == "Running":
                condition |= {"status": "False", "lastUpdateTime": now()}
        self._add_condition(*outcome)
        self._write_status(completed_at=now())
        played.event(f"PyTorchJob{outcome[0]}", outcome[1])
        policy = played.spec.get("runPolicy", {}).get("cleanPodPolicy", "None")
        for pod in [*self._pods["Master"], *self._pods["Worker"]]:
            found = played.find_pod(pod)
            if found is None or "deletionTimestamp" in found["metadata"]:
                continue
            if policy == "All" or (policy == "Running" and pod_states.is_running(found)):
                played.delete_pod(pod)
                played.event("SuccessfulDeletePod", f"Deleted pod: {pod['metadata']['name']}")

    def _tell_exit_codes(self) -> None:
        for pod in [*self._pods["Master"], *self._pods["Worker"]]:
            uid, found = pod["metadata"]["uid"], self._played.find_pod(pod)
            terminated = pod_states.terminated_state(found) if found is not None else None
            if terminated is not None and uid not in self._told:
                self._told.add(uid)
                where = f"{self._played.namespace}.{pod['metadata']['name']}"
                self._played.event("ExitedWithCode", f"Pod: {where} exited with code {terminated['exitCode']}")

    def _counts(self) -> dict[str, dict[str, int]]:
        """Replicas by state. A pod that is deleted counts as failed at once; a restarting one is still active."""
        counts = {kind: {"active": 0, "succeeded": 0, "failed": 0, "restarts": 0} for kind in self._pods}
        for kind, pods in self._pods.items():
            for pod in pods:
                found = self._played.find_pod(pod)
                if found is None or "deletionTimestamp" in found["metadata"]:
                    counts[kind]["failed"] += 1
                    continue
                phase = found["status"]["phase"]
                where = {"Running": "active", "Succeeded": "succeeded", "Failed": "failed"}.get(phase)
                if where:
                    counts[kind][where] += 1
                counts[kind]["restarts"] += pod_states.container_status(found)["restartCount"]
        return counts

    def _write_status(self, completed_at: str | None = None) -> None:
        replica_statuses = {}
        for kind, count in self._counts().items():
            if not self._pods[kind]:
                continue
            labels = self._labels(kind)
            selector = ",".join(f"{key}={labels[key]}" for key in sorted(labels))
            found: Json = {key: count[key] for key in ("active", "failed", "succeeded") if count[key]}
            replica_statuses[kind] = found | {"selector": selector}
        status: Json = {"conditions": [dict(one) for one in self._conditions], "replicaStatuses": replica_statuses}
        status["startTime"] = self._started_at
        self._played.set_status(status | ({"completionTime": completed_at} if completed_at else {}))

    def _add_condition(self, type_: str, message: str) -> None:
        times = {"lastTransitionTime": now(), "lastUpdateTime": now()}
        told = {"message": message, "reason": f"PyTorchJob{type_}", "status": "True", "type": type_}
        self._conditions.append(times | told)

    def _create_replica(self, kind: str, index: int, world: int) -> Json:
        played = self._played
        replica = played.spec["pytorchReplicaSpecs"][kind]
        name = f"{played.name}-{kind.lower()}-{index}"
        labels = self._labels(kind) | {f"{PREFIX}/replica-index": str(index)}
        role = {f"{PREFIX}/job-role": "master"} if kind == "Master" else {}
        template = replica["template"]
        spec = dict(template["spec"]) | {"restartPolicy": "Never"}
        if replica.get("restartPolicy", "OnFailure") == "OnFailure":
            spec["restartPolicy"] = "OnFailure"
        injected = [{"name": key, "value": value} for key, value in self._rank_env(kind, index, world).items()]
        spec["containers"] = [
            one | ({"env": [*one.get("env", []), *injected]} if one["name"] == "pytorch" else {})
            for one in spec["containers"]
        ]
        if kind == "Worker":
            image = pod_states.main_container({"spec": spec}).get("image", "")
            spec["initContainers"] = [{"name": "init-pytorch", "image": image, "command": ["nslookup", "master"]}]
        given = template.get("metadata", {}).get("labels", {})
        owners = [played.owner_reference()]
        while (pod := self._try_create(name, given | labels | role, spec, owners)) is None:
            played.wait_for_change()  # an earlier job's pod of that name still terminates
        played.event("SuccessfulCreatePod", f"Created pod: {name}")
        self._create_service(name, labels)
        return pod

    def _try_create(self, name: str, labels: dict[str, str], spec: Json, owners: list[Json]) -> Json | None:
        try:
            return self._played.create_pod(name, labels, spec, owners)
        except ApiError as e:
            if e.reason != "AlreadyExists":
                raise
            return None

    def _create_service(self, name: str, labels: dict[str, str]) -> None:
        played = self._played
        metadata = {"name": name, "namespace": played.namespace, "labels": labels}
        spec = {"clusterIP": "None", "ports": [{"name": "pytorchjob-port", "port": MASTER_PORT}], "selector": labels}
        service: Json = {"kind": "Service", "apiVersion": "v1", "spec": spec}
        service["metadata"] = metadata | {"ownerReferences": [played.owner_reference()]}
        played.server.store.create(SERVICES, service)
        played.event("SuccessfulCreateService", f"Created service: {name}")

    def _start(self, kind: str, index: int, pod: Json, world: int) -> None:
        played, kubelet = self._played, self._played.kubelet
        name = pod["metadata"]["name"]
        if played.scenario.cannot_pull:
            kubelet.fail_to_pull(pod)
            fault = CANNOT_PULL.format(image=pod_states.main_container(pod).get("image", ""))
            played.event("ErrImagePull", f"Error pod {name} container pytorch waiting message: {fault}")
            return
        if played.scenario.cannot_schedule:
            kubelet.cannot_schedule(pod, UNSCHEDULABLE)
            played.event("Unschedulable", f"Error pod {name} condition message: {UNSCHEDULABLE}")
            return
        waits_for = None
        if kind == "Worker" and self._pods["Master"]:
            master = self._pods["Master"][0]

            def waits_for() -> bool:
                found = played.find_pod(master)
                return found is not None and found["status"]["phase"] != "Pending"

        restarts = pod["spec"]["restartPolicy"] == "OnFailure"
        kubelet.run(pod, self._workload(kind, index, pod, world), waits_for, restarts)

    def _workload(self, kind: str, index: int, pod: Json, world: int) -> Workload:
        scenario = self._played.scenario
        if scenario.workers_run_on and kind == "Worker":
            return ScriptedWorkload(None)
        if scenario.failing_workers:
            return ScriptedWorkload(None) if kind == "Master" else ScriptedWorkload(0.1, scenario.exit_code)
        container = pod_states.main_container(pod)
        # In the process the cluster's names do not resolve: all ranks meet on loopback, on a port that is free.
        local = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self._real_port)}
        local |= {f"PET_{key}": value for key, value in local.items()}
        env = process_env(plain_env(container.get("env", [])) | local)
        return self._played.workload(lambda: ProcessWorkload(container_command(container), env))

    def _rank_env(self, kind: str, index: int, world: int) -> dict[str, str]:
        """What the operator injects into the container `pytorch`, in the recorded order."""
        has_master = bool(self._played.spec["pytorchReplicaSpecs"].get("Master"))
        rank = str(0 if kind == "Master" else index + has_master)
        address = f"{self._played.name}-{'master' if has_master else 'worker'}-0"
        return {
            "PYTHONUNBUFFERED": "1",
            "MASTER_PORT": str(MASTER_PORT),
            "PET_MASTER_PORT": str(MASTER_PORT),
            "MASTER_ADDR": address,
            "PET_MASTER_ADDR": address,
            "WORLD_SIZE": str(world),
            "RANK": rank,
            "PET_NODE_RANK": rank,
            "PET_NPROC_PER_NODE": str(self._played.spec.get("nprocPerNode", "auto")),
            "PET_NNODES": str(world),
        }

    def _labels(self, kind: str) -> dict[str, str]:
        return {
            f"{PREFIX}/job-name": self._played.name,
            f"{PREFIX}/operator-name": COMPONENT,
            f"{PREFIX}/replica-type": kind.lower(),
        }
