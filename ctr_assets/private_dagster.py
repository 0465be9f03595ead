"""What this project takes of Dagster beyond its public API.

Beside each name stand the release that it was read in and the reason.
"""

# 1.13.27: what a launcher of runs is given and answers. Documented as configuration, not as classes.
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

# 1.13.27: a queue of one's own is documented as configuration, its base class is not.
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

# 1.13.27: tags by which a run tells which run it retries and whether it will be retried. Dagster documents neither.
from dagster._core.storage.tags import ROOT_RUN_ID_TAG, WILL_RETRY_TAG

# 1.13.27: what Dagster does itself where a SIGTERM must wait.
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

__all__ = [
    "ROOT_RUN_ID_TAG",
    "WILL_RETRY_TAG",
    "CheckRunHealthResult",
    "LaunchRunContext",
    "QueuedRunCoordinator",
    "SubmitRunContext",
    "WorkerStatus",
    "capture_interrupts",
    "check_captured_interrupt",
]
