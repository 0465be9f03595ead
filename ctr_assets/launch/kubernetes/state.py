"""What the status of a custom resource means for whoever waits for it. Pure functions of the recorded status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, unique
from typing import Any

from kubernetes.client import V1Pod


@unique
class Phase(Enum):
    """Where a resource is in its life. PENDING: nothing of the job's own code has run yet. UNKNOWN: it may be running.

    UNKNOWN is no failure: a newer operator has more states than this code. Whoever waits says so once and waits on, but
    not for ever.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED)


@dataclass(frozen=True)
class Observation:
    """The phase, the operator's own word for it, and what the operator says went wrong ('' when nothing).

    ``unknown``: what the status says beyond what this code knows, '' when nothing; a job that is known to run or to
    have ended can say such things too.
    """

    phase: Phase
    state: str
    message: str = ""
    unknown: str = ""


# Spark operator 2.4 to 2.5, applicationState.state. The operator's own UNKNOWN: the node of the driver's pod is silent.
_SPARK_PHASES = {
    "": Phase.PENDING,
    "NEW": Phase.PENDING,
    "SUBMITTED": Phase.PENDING,
    "SUSPENDING": Phase.PENDING,
    "SUSPENDED": Phase.PENDING,
    "RESUMING": Phase.PENDING,
    "PENDING_RERUN": Phase.PENDING,
    "INVALIDATING": Phase.PENDING,
    "SUBMISSION_FAILED": Phase.PENDING,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDING": Phase.RUNNING,
    "FAILING": Phase.RUNNING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
}
# Training operator 1.9; the first of these that is true decides.
_PYTORCH_PHASES = {
    "Failed": Phase.FAILED,
    "Succeeded": Phase.SUCCEEDED,
    "Running": Phase.RUNNING,
    "Suspended": Phase.PENDING,
    "Restarting": Phase.PENDING,
    "Created": Phase.PENDING,
}

# Trainer 2.3. It says neither Created nor Running: see observe_train_job.
_TRAIN_JOB_PHASES = {"Failed": Phase.FAILED, "Complete": Phase.SUCCEEDED, "Suspended": Phase.PENDING}


def observe_spark_application(resource: Mapping[str, Any]) -> Observation:
    """For the first 4 to 16 s there is no status at all."""
    found = (resource.get("status") or {}).get("applicationState") or {}
    state = str(found.get("state") or "")
    phase = _SPARK_PHASES.get(state, Phase.UNKNOWN)
    unknown = state if phase is Phase.UNKNOWN else ""
    return Observation(phase, state or "no status yet", found.get("errorMessage") or "", unknown)


def observe_pytorch_job(resource: Mapping[str, Any]) -> Observation:
    """A short job never says Running."""
    return _of_conditions(resource, _PYTORCH_PHASES)


def observe_train_job(
    resource: Mapping[str, Any], job: Mapping[str, Any] | None = None, pods: Iterable[V1Pod] = ()
) -> Observation:
    """A TrainJob says only its end and a suspension, and the end when the last pod has gone.

    That it runs is in ``jobsStatus`` while all ranks do, and in its pods. That it fails is in its Job as soon as a pod
    has: ``FailureTarget``.
    """
    seen = _of_conditions(resource, _TRAIN_JOB_PHASES)
    if seen.phase not in (Phase.PENDING, Phase.UNKNOWN) or seen.state == "Suspended":
        return seen
    failing = next((one for one in _true_conditions(job) if one["type"] in ("FailureTarget", "Failed")), None)
    if failing is not None:
        return replace(seen, phase=Phase.FAILED, state="Failed", message=failing["message"])
    counts = (resource.get("status") or {}).get("jobsStatus") or []
    has_run = any(pod.status.phase not in (None, "Pending") for pod in pods if not pod.metadata.deletion_timestamp)
    if has_run or any(one["ready"] for one in counts):
        return replace(seen, phase=Phase.RUNNING, state="Running")
    return seen


def _true_conditions(resource: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    found = ((resource or {}).get("status") or {}).get("conditions") or []
    return [one for one in found if one.get("status") == "True"]


def _of_conditions(resource: Mapping[str, Any], phases: Mapping[str, Phase]) -> Observation:
    """Conditions come in any order: only the true ones count, and the first of ``phases`` that is true decides.

    One that is neither true nor false, as ``Running=Unknown``, says no more than one of a type that is not known.
    """
    conditions = (resource.get("status") or {}).get("conditions") or []
    said = {str(c.get("type")): (c.get("status"), c.get("message") or "") for c in conditions}
    true = {type_: message for type_, (status, message) in said.items() if status == "True"}
    unknown = sorted(true.keys() - phases.keys())
    unknown += sorted(f"{type_}={status}" for type_, (status, _) in said.items() if status not in ("True", "False"))
    state = next((state for state in phases if state in true), "no status yet")
    phase = phases.get(state, Phase.PENDING)
    if unknown and phase is Phase.PENDING:
        state, phase = ", ".join(unknown), Phase.UNKNOWN
    return Observation(phase, state, true[state] if phase is Phase.FAILED else "", ", ".join(unknown))


def occupied_seconds(resource: Mapping[str, Any]) -> float:
    """From a resource's start to its end, or to now where it names no end, whoever followed it.

    It starts when its operator makes its pods: waiting for nodes counts, waiting in a queue does not. At least 1: both
    times are whole seconds.
    """
    status = resource.get("status") or {}
    since = {(one["type"], one["status"]): one.get("lastTransitionTime") for one in status.get("conditions") or ()}
    started = status.get("lastSubmissionAttemptTime") or status.get("startTime") or since.get(("Suspended", "False"))
    ended = status.get("terminationTime") or status.get("completionTime")
    ended = ended or since.get(("Complete", "True")) or since.get(("Failed", "True"))
    start = datetime.fromisoformat(started or resource["metadata"]["creationTimestamp"])
    return max(1.0, ((datetime.fromisoformat(ended) if ended else datetime.now(UTC)) - start).total_seconds())
