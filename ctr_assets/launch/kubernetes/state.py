"""What the status of a custom resource means for whoever waits for it. Pure functions of the recorded status."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, unique
from typing import Any


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


def observe_spark_application(resource: Mapping[str, Any]) -> Observation:
    """For the first 4 to 16 s there is no status at all."""
    found = (resource.get("status") or {}).get("applicationState") or {}
    state = str(found.get("state") or "")
    phase = _SPARK_PHASES.get(state, Phase.UNKNOWN)
    unknown = state if phase is Phase.UNKNOWN else ""
    return Observation(phase, state or "no status yet", found.get("errorMessage") or "", unknown)


def observe_pytorch_job(resource: Mapping[str, Any]) -> Observation:
    """Conditions come in any order, and a short job never says Running: only the true ones count.

    One that is neither true nor false, as ``Running=Unknown``, says no more than one of a type that is not known.
    """
    conditions = (resource.get("status") or {}).get("conditions") or []
    said = {str(c.get("type")): (c.get("status"), c.get("message") or "") for c in conditions}
    true = {type_: message for type_, (status, message) in said.items() if status == "True"}
    unknown = sorted(true.keys() - _PYTORCH_PHASES.keys())
    unknown += sorted(f"{type_}={status}" for type_, (status, _) in said.items() if status not in ("True", "False"))
    state = next((state for state in _PYTORCH_PHASES if state in true), "no status yet")
    phase = _PYTORCH_PHASES.get(state, Phase.PENDING)
    if unknown and phase is Phase.PENDING:
        state, phase = ", ".join(unknown), Phase.UNKNOWN
    return Observation(phase, state, true[state] if phase is Phase.FAILED else "", ", ".join(unknown))


def occupied_seconds(resource: Mapping[str, Any]) -> float:
    """From a resource's start to its end, or to now where it names no end, whoever followed it.

    It starts when its operator makes its pods: waiting for nodes counts, waiting in a queue does not. At least 1: both
    times are whole seconds.
    """
    status = resource.get("status") or {}
    started = status.get("lastSubmissionAttemptTime") or status.get("startTime")
    ended = status.get("terminationTime") or status.get("completionTime")
    start = datetime.fromisoformat(started or resource["metadata"]["creationTimestamp"])
    return max(1.0, ((datetime.fromisoformat(ended) if ended else datetime.now(UTC)) - start).total_seconds())
