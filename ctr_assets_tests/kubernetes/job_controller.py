"""The Job controller's part: a Job's pod from its template, once more after each failure up to the back-off limit."""

import base64
import secrets
import string

from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.commands import container_command, plain_env, process_env, secret_env
from ctr_assets_tests.kubernetes.reconciling import Played
from ctr_assets_tests.kubernetes.resources import SECRETS, Json
from ctr_assets_tests.kubernetes.timestamps import now
from ctr_assets_tests.kubernetes.workloads import ProcessWorkload

COMPONENT = "job-controller"
# Seconds as recorded; the speed divides them.
BACKOFF_SECONDS = 7.7
ENDED_PHASES = ("Succeeded", "Failed")
COMPLETED = ("CompletionsReached", "Reached expected number of succeeded pods")
GIVEN_UP = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
GENERATED_CHARACTERS, MAX_POD_NAME = 5, 63


class JobPlay:
    """Plays one Job of one completion. `play` returns when it has ended and raises GoneError when it is deleted.

    Its pods carry no tracking finalizer: here nothing can take a pod away before it has been counted.
    """

    def __init__(self, played: Played) -> None:
        self._played = played
        self._started_at = now()
        self._conditions: list[Json] = []
        self._failed = 0

    def play(self) -> None:
        while not self._run_pod():
            self._played.pause(BACKOFF_SECONDS)

    def _run_pod(self) -> bool:
        """One pod to its end; whether the Job has ended with it."""
        pod = self._create_pod()
        self._follow(pod)
        uid = pod["metadata"]["uid"]
        if self._has_succeeded(pod):
            self._add_condition("SuccessCriteriaMet", COMPLETED)
            self._write(uncounted={"succeeded": [uid]})
            self._add_condition("Complete", COMPLETED)
            self._write(succeeded=1, completed_at=now())
            self._played.event("Completed", "Job completed")
            return True
        has_ended = self._failed == self._played.spec["backoffLimit"]
        if has_ended:
            self._add_condition("FailureTarget", GIVEN_UP)
        terminating = int(self._is_terminating(pod))
        self._write(uncounted={"failed": [uid]}, terminating=terminating)
        self._failed += 1
        if terminating:
            self._write(terminating=1)
            while self._played.find_pod(pod) is not None:
                self._played.wait_for_change()
        if not has_ended or terminating:
            self._write()
        if not has_ended:
            return False
        self._add_condition("Failed", GIVEN_UP)
        self._write()
        self._played.event(*GIVEN_UP)
        return True

    def _create_pod(self) -> Json:
        """The pod, on its way through the node."""
        played = self._played
        template = played.spec["template"]
        end = "".join(secrets.choice(string.ascii_lowercase) for _ in range(GENERATED_CHARACTERS))
        name = f"{played.name}-"[: MAX_POD_NAME - GENERATED_CHARACTERS] + end
        pod = played.create_pod(name, template["metadata"]["labels"], template["spec"], [played.owner_reference()])
        self._write(active=1)
        played.event("SuccessfulCreate", f"Created pod: {name}")
        container = pod_states.main_container(pod)
        env = container.get("env", [])
        process = process_env(plain_env(env) | secret_env(env, self._read_secret))
        workload = played.workload(lambda: ProcessWorkload(container_command(container), process))
        played.kubelet.run(pod, workload, restarts=template["spec"]["restartPolicy"] == "OnFailure")
        return pod

    def _follow(self, pod: Json) -> None:
        """Until the pod has ended, is being deleted, or is gone."""
        is_ready = False
        while (found := self._played.find_pod(pod)) is not None:
            if self._is_terminating(pod) or found["status"]["phase"] in ENDED_PHASES:
                return
            if not is_ready and self._played.has_run(pod):
                is_ready = True
                self._write(active=1, ready=1)
                self._played.interrupt(pod)
            else:
                self._played.wait_for_change()

    def _has_succeeded(self, pod: Json) -> bool:
        """A pod that is deleted counts as failed, whatever its container said at the end."""
        found = self._played.find_pod(pod)
        return found is not None and not self._is_terminating(pod) and found["status"]["phase"] == "Succeeded"

    def _is_terminating(self, pod: Json) -> bool:
        found = self._played.find_pod(pod)
        return found is not None and "deletionTimestamp" in found["metadata"]

    def _read_secret(self, name: str, key: str) -> str:
        secret = self._played.server.store.get(SECRETS, self._played.namespace, name)
        return base64.b64decode(secret["data"][key]).decode()

    def _add_condition(self, type_: str, why: tuple[str, str]) -> None:
        times = {"lastProbeTime": now(), "lastTransitionTime": now()}
        self._conditions.append({"type": type_, "status": "True", **times, "reason": why[0], "message": why[1]})

    def _write(
        self,
        active: int = 0,
        succeeded: int = 0,
        ready: int = 0,
        terminating: int = 0,
        uncounted: Json | None = None,
        completed_at: str | None = None,
    ) -> None:
        """The status; counts of pods that are 0 are left out, as the controller does, but for the last two."""
        counts = {"active": active, "succeeded": succeeded, "failed": self._failed}
        status: Json = {"startTime": self._started_at} | {key: count for key, count in counts.items() if count}
        status |= {"terminating": terminating, "ready": ready, "uncountedTerminatedPods": uncounted or {}}
        status |= {"conditions": [dict(one) for one in self._conditions]} if self._conditions else {}
        self._played.set_status(status | ({"completionTime": completed_at} if completed_at else {}))
