"""What this folder takes of Dagster beyond its public API, each with the release that it was read in and the reason."""

# 1.13.27: a queue and a launcher of one's own are documented as configuration, their base classes' methods are not.
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

__all__ = ["QueuedRunCoordinator", "SubmitRunContext"]
