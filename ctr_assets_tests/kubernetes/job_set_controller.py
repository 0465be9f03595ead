"""JobSet's part: the headless service, the one Job that holds all ranks, and what the JobSet's status says of it."""

import time

from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.job_templates import JOBSET, job_faults, job_of
from ctr_assets_tests.kubernetes.reconciling import Played
from ctr_assets_tests.kubernetes.resources import JOBS, SERVICES, Json
from ctr_assets_tests.kubernetes.timestamps import now

COMPONENT = "jobset"
# Seconds as recorded; the speed divides them.
RETRY_SECONDS = 1.0
ENDS = {
    "Complete": ("Completed", "AllJobsCompleted", "jobset completed successfully"),
    "Failed": ("Failed", "FailedJobs", "jobset failed due to one or more job failures (first failed job: {job})"),
}


class JobSetPlay:
    """Plays one JobSet of one replicated job. `play` returns when it has ended, and raises GoneError."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._conditions: list[Json] = []
        self._not_before = 0.0

    def play(self) -> None:
        while not self._has_ended():
            self._played.wait_for_own_change()

    def _has_ended(self) -> bool:
        job_set = self._played.present()
        (replicated,) = job_set["spec"]["replicatedJobs"]
        wanted = job_of(job_set, replicated)
        self._tell_suspension(job_set["spec"]["suspend"])
        job = self._played.server.store.find(JOBS, self._played.namespace, wanted["metadata"]["name"])
        if job is None or not self._is_own(job):
            self._create(wanted)
            self._write({})
            return False
        if job["spec"]["suspend"] != job_set["spec"]["suspend"]:
            suspended = {"suspend": job_set["spec"]["suspend"]}
            self._edit(job, lambda obj: obj["spec"].update(suspended))
        return self._count(job)

    def _is_own(self, job: Json) -> bool:
        return any(owner["uid"] == self._played.uid for owner in job["metadata"].get("ownerReferences", []))

    def _create(self, job: Json) -> None:
        if time.monotonic() < self._not_before:
            return
        played, name = self._played, job["metadata"]["name"]
        self._create_service()
        metadata = job["metadata"] | {"namespace": played.namespace, "ownerReferences": [played.owner_reference()]}
        try:
            if faults := job_faults(job):
                raise ApiError(422, faults)
            played.server.api.creator.create_for_controller(JOBS, job | {"metadata": metadata})
        except ApiError as e:  # 409: an earlier JobSet's is not collected yet
            self._not_before = time.monotonic() + RETRY_SECONDS / played.speed
            told = f'job "{name}" creation failed with error: {e.message}'
            played.event_in_series("JobCreationFailed", told)

    def _create_service(self) -> None:
        played = self._played
        if played.server.store.find(SERVICES, played.namespace, played.name) is not None:
            return
        metadata = {"name": played.name, "namespace": played.namespace, "ownerReferences": [played.owner_reference()]}
        spec = {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {f"{JOBSET}/jobset-name": played.name},
        }
        played.server.store.create(
            SERVICES, {"kind": "Service", "apiVersion": "v1", "metadata": metadata, "spec": spec}
        )

    def _edit(self, job: Json, change: object) -> None:
        self._played.server.store.edit(JOBS, self._played.namespace, job["metadata"]["name"], change)  # type: ignore[arg-type]

    def _tell_suspension(self, is_suspended: bool) -> None:
        held = [one for one in self._conditions if one["type"] == "Suspended"]
        if is_suspended is (bool(held) and held[0]["status"] == "True"):
            return
        told = ("SuspendedJobs", "jobset is suspended") if is_suspended else ("ResumeJobs", "jobset is resumed")
        self._conditions = [one for one in self._conditions if one not in held]
        self._conditions.append(_condition("Suspended", str(is_suspended), *told))
        self._played.event_in_series(*told)

    def _count(self, job: Json) -> bool:
        """Write what the Job has come to; whether that is the end."""
        status, spec = job.get("status", {}), job["spec"]
        ended = next((one["type"] for one in status.get("conditions", []) if one["type"] in ENDS), None)
        if ended is not None:
            type_, reason, text = ENDS[ended]
            message = text.format(job=job["metadata"]["name"])
            self._conditions.append(_condition(type_, "True", reason, message))
            self._write({"succeeded" if ended == "Complete" else "failed": 1}, {"terminalState": type_})
            self._played.event_in_series(reason, message)
            return True
        counts = {"active": int(bool(status.get("active"))), "suspended": int(spec["suspend"])}
        if (status.get("active") or status.get("succeeded")) and not spec["suspend"]:
            counts["ready"] = int(status.get("ready", 0) + status.get("succeeded", 0) >= spec["parallelism"])
        self._write(counts)
        return False

    def _write(self, counts: Json, more: Json | None = None) -> None:
        none = dict.fromkeys(("active", "failed", "ready", "succeeded", "suspended"), 0)
        status: Json = {"replicatedJobsStatus": [none | {"name": "node"} | counts], "restarts": 0} | (more or {})
        status |= {"conditions": [dict(one) for one in self._conditions]} if self._conditions else {}
        self._played.set_status(status)


def _condition(type_: str, status: str, reason: str, message: str) -> Json:
    told = {"type": type_, "status": status, "reason": reason, "message": message}
    return told | {"lastTransitionTime": now()}
