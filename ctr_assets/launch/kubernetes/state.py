"""What the status of a custom resource means for whoever waits for it. Pure functions of the recorded status."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any


@unique
class Phase(Enum):
    """Where a resource is in its life. PENDING: nothing of the job's own code has run yet."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class UnknownStateError(RuntimeError):
    """The operator reports a state that this code does not know: neither waiting nor giving up would be right."""


@dataclass(frozen=True)
class Observation:
    """The phase, the operator's own word for it, and what the operator says went wrong ('' when nothing)."""

    phase: Phase
    state: str
    message: str = ""


# Spark operator 2.4 to 2.5, applicationState.state. UNKNOWN is the operator's own transient state: its driver pod
# could not be seen just now.
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
    "UNKNOWN": Phase.RUNNING,
    "RUNNING": Phase.RUNNING,
    "SUCCEEDING": Phase.RUNNING,
    "FAILING": Phase.RUNNING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
}


def observe_spark_application(resource: Mapping[str, Any]) -> Observation:
    """For the first 4 to 16 s there is no status at all. Raises :class:`UnknownStateError`."""
    found = resource.get("status", {}).get("applicationState", {})
    state = found.get("state", "")
    if state not in _SPARK_PHASES:
        raise UnknownStateError(f"SparkApplication {resource['metadata']['name']} is in state {state!r}")
    return Observation(_SPARK_PHASES[state], state or "no status yet", found.get("errorMessage", ""))


def observe_pytorch_job(resource: Mapping[str, Any]) -> Observation:
    """Conditions come in any order, and a short job never says Running: only the true ones count."""
    conditions = resource.get("status", {}).get("conditions") or []
    true = {c["type"]: c.get("message", "") for c in conditions if c.get("status") == "True"}
    unknown = set(true) - {"Created", "Running", "Restarting", "Suspended", "Succeeded", "Failed"}
    if unknown:
        raise UnknownStateError(f"PyTorchJob {resource['metadata']['name']} has condition {sorted(unknown)}")
    for state, phase in (("Failed", Phase.FAILED), ("Succeeded", Phase.SUCCEEDED), ("Running", Phase.RUNNING)):
        if state in true:
            return Observation(phase, state, true[state] if phase is Phase.FAILED else "")
    return Observation(Phase.PENDING, next(iter(sorted(true, reverse=True)), "no status yet"))
