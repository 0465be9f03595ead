"""The Job controller's part for an Indexed Job: a pod for each index, and the end of all when one has failed."""

import secrets
import string
import time

from ctr_assets_tests.deploy.ports import free_port
from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.commands import container_command, field_env, plain_env, process_env
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.job_controller import COMPLETED, ENDED_PHASES, GENERATED_CHARACTERS, GIVEN_UP
from ctr_assets_tests.kubernetes.job_templates import INDEX, pod_of
from ctr_assets_tests.kubernetes.reconciling import Played
from ctr_assets_tests.kubernetes.resources import PODS, Json
from ctr_assets_tests.kubernetes.scenarios import NO_ROOM, UNSCHEDULABLE
from ctr_assets_tests.kubernetes.timestamps import now
from ctr_assets_tests.kubernetes.workloads import ProcessWorkload, ScriptedWorkload, Workload

# Seconds as recorded; the speed divides them. What happens to pods is counted in batches.
SYNC_SECONDS = 1.0
REFUSED_SECONDS = 1.0
TOO_LONG = ("DeadlineExceeded", "Job was active longer than specified deadline")


class IndexedJobPlay:
    """Plays one Indexed Job. `play` returns when it has ended and raises GoneError when it is deleted."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._started_at, self._started = now(), time.monotonic()
        self._conditions: list[Json] = []
        self._pods: dict[int, Json] = {}
        self._failures = 0
        self._was_interrupted = False
        self._has_waited_for_room = False
        self._real_port = free_port()

    def play(self) -> None:
        while not self._has_ended():
            self._played.wait_for_own_change()

    def _has_ended(self) -> bool:
        job = self._played.present()
        if job["spec"]["suspend"]:
            self._suspend()
            return False
        self._resume()
        self._fill(job)
        self._write()
        self._interrupt()
        if self._is_overdue(job["spec"]):
            self._fail(TOO_LONG)
            return True
        if not any(map(self._has_failed, self._pods.values())) and not self._has_succeeded(job):
            return False
        self._played.pause(SYNC_SECONDS)
        failed = [index for index, pod in self._pods.items() if self._has_failed(pod)]
        self._failures += len(failed)
        if self._failures > job["spec"].get("backoffLimit", 6):
            self._fail(GIVEN_UP)
            return True
        for index in failed:
            del self._pods[index]
        if failed or not self._has_succeeded(job):
            return False
        self._succeed()
        return True

    def _suspend(self) -> None:
        if self._holds("Suspended"):
            return
        for pod in self._pods.values():
            self._delete(pod)
        self._pods = {}
        self._replace("Suspended", "True", ("JobSuspended", "Job suspended"))
        self._write()
        self._played.event("Suspended", "Job suspended")

    def _resume(self) -> None:
        if self._holds("Suspended"):
            self._replace("Suspended", "False", ("JobResumed", "Job resumed"))
            self._started_at, self._started = now(), time.monotonic()
            self._played.event("Resumed", "Job resumed")

    def _fill(self, job: Json) -> None:
        if self._played.scenario.no_room_seconds is not None and not self._has_waited_for_room:
            self._has_waited_for_room = True
            self._refused(NO_ROOM.format(pod=f"{self._played.name}-0-"))
            self._played.pause_really(self._played.scenario.no_room_seconds)
        for index in range(job["spec"]["completions"]):
            if index not in self._pods and not self._try_create(job, index):
                return

    def _try_create(self, job: Json, index: int) -> bool:
        played, template = self._played, pod_of(job, index)
        prefix = f"{played.name}-{index}-"
        name = prefix + "".join(secrets.choice(string.ascii_lowercase) for _ in range(GENERATED_CHARACTERS))
        why = played.scenario.pods_refused
        try:
            if why is not None:
                raise ApiError(403, f'pods "{prefix}" is forbidden: {why}')
            played.server.api.creator.admit(PODS, played.namespace, name)
        except ApiError as e:
            self._refused(f"Error creating: {e.message}")
            played.pause(REFUSED_SECONDS)
            return False
        metadata, owners = template["metadata"], [played.owner_reference()]
        pod = played.create_pod(name, metadata["labels"], template["spec"], owners, metadata["annotations"])
        self._pods[index] = pod
        played.event("SuccessfulCreate", f"Created pod: {name}")
        self._start(index, pod)
        return True

    def _refused(self, message: str) -> None:
        self._played.event("FailedCreate", message)

    def _start(self, index: int, pod: Json) -> None:
        scenario, kubelet = self._played.scenario, self._played.kubelet
        if scenario.cannot_pull:
            kubelet.fail_to_pull(pod)
        elif scenario.cannot_schedule:
            kubelet.cannot_schedule(pod, UNSCHEDULABLE)
        else:
            restarts = pod["spec"]["restartPolicy"] == "OnFailure"
            kubelet.run(pod, self._workload(index, pod), restarts=restarts)

    def _workload(self, index: int, pod: Json) -> Workload:
        scenario = self._played.scenario
        if scenario.workers_run_on and index:
            return ScriptedWorkload(None)
        if scenario.failing_workers:
            return ScriptedWorkload(0.1, scenario.exit_code) if index else ScriptedWorkload(None)
        container = pod_states.main_container(pod)
        # In the process the cluster's names do not resolve: all ranks meet on loopback, on a port that is free.
        local = {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(self._real_port)}
        env = plain_env(container["env"]) | field_env(container["env"], pod["metadata"])
        return self._played.workload(lambda: ProcessWorkload(container_command(container), process_env(env | local)))

    def _interrupt(self) -> None:
        """Let the scenario's accident happen to rank 0, once."""
        first = self._pods.get(0)
        if first is not None and not self._was_interrupted and self._played.has_run(first):
            self._was_interrupted = True
            self._played.interrupt(first)

    def _has_failed(self, pod: Json) -> bool:
        """A pod that is deleted counts as failed at once, whatever its container says at the end."""
        found = self._played.find_pod(pod)
        return found is None or "deletionTimestamp" in found["metadata"] or found["status"]["phase"] == "Failed"

    def _phase(self, pod: Json) -> str:
        found = self._played.find_pod(pod)
        return "Failed" if found is None else str(found["status"]["phase"])

    def _has_succeeded(self, job: Json) -> bool:
        phases = [self._phase(pod) for pod in self._pods.values()]
        return phases == ["Succeeded"] * job["spec"]["completions"]

    def _is_overdue(self, spec: Json) -> bool:
        limit = spec.get("activeDeadlineSeconds")
        return limit is not None and time.monotonic() - self._started > limit / self._played.speed

    def _succeed(self) -> None:
        self._replace("SuccessCriteriaMet", "True", COMPLETED)
        self._write()
        self._replace("Complete", "True", COMPLETED)
        self._write(completed_at=now())
        self._played.event("Completed", "Job completed")

    def _fail(self, why: tuple[str, str]) -> None:
        """All other pods go, and only then has the Job failed."""
        for pod in self._pods.values():
            self._delete(pod)
        self._replace("FailureTarget", "True", why)
        self._write()
        while any(map(self._is_terminating, self._pods.values())):
            self._played.wait_for_own_change()
            self._write()
        self._replace("Failed", "True", why)
        self._write()
        self._played.event(*why)

    def _delete(self, pod: Json) -> None:
        found = self._played.find_pod(pod)
        if found is None or "deletionTimestamp" in found["metadata"] or found["status"]["phase"] in ENDED_PHASES:
            return
        self._played.delete_pod(pod)
        self._played.event("SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _is_terminating(self, pod: Json) -> bool:
        found = self._played.find_pod(pod)
        return found is not None and "deletionTimestamp" in found["metadata"]

    def _holds(self, type_: str) -> bool:
        return any(one["type"] == type_ and one["status"] == "True" for one in self._conditions)

    def _replace(self, type_: str, status: str, why: tuple[str, str]) -> None:
        times = {"lastProbeTime": now(), "lastTransitionTime": now()}
        condition = {"type": type_, "status": status, **times, "reason": why[0], "message": why[1]}
        present = [one["type"] for one in self._conditions]
        if type_ in present:
            self._conditions[present.index(type_)] = condition
        else:
            self._conditions.append(condition)

    def _write(self, completed_at: str | None = None) -> None:
        pods = list(self._pods.values())
        has_target = self._holds("FailureTarget")
        failed = len(pods) if has_target else self._failures
        done = [pod for pod in pods if self._phase(pod) == "Succeeded" and not self._is_terminating(pod)]
        found = [pod for pod in map(self._played.find_pod, pods) if pod is not None]
        ready = 0 if has_target else sum(map(pod_states.is_running, found))
        counts = {"active": 0 if has_target else len(pods) - len(done), "succeeded": len(done), "failed": failed}
        status: Json = {"startTime": self._started_at} | {key: count for key, count in counts.items() if count}
        terminating = sum(map(self._is_terminating, pods))
        status |= {"terminating": terminating, "ready": ready, "uncountedTerminatedPods": {}}
        if done:
            status["completedIndexes"] = ",".join(sorted(one["metadata"]["labels"][INDEX] for one in done))
        status |= {"conditions": [dict(one) for one in self._conditions]} if self._conditions else {}
        self._played.set_status(status | ({"completionTime": completed_at} if completed_at else {}))
