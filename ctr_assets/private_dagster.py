"""What this project takes of Dagster beyond its public API. No other module may import a private one of Dagster's.

Beside each name stand the release that it was read in and the reason. Importing this module raises ImportError, which
says what to do, where the installed Dagster has moved one of them.
"""

import dagster as dg

try:
    # 1.13.27: turns metadata as Pipes carries it into Dagster's values. Pipes itself converts only the metadata of its
    # own messages, and those know no partition.
    from dagster._core.definitions.metadata.external_metadata import metadata_map_from_external

    # 1.13.27: asks for a check's result of one partition.
    from dagster._core.event_api import PartitionKeyFilter

    # 1.13.27: what ``DagsterInstance.report_engine_event`` takes, to keep metadata in the event log of a run.
    from dagster._core.events import EngineEventData

    # 1.13.27: what a launcher of runs is given and answers. Documented as configuration, not as classes.
    from dagster._core.launcher import LaunchRunContext
    from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

    # 1.13.27: a queue of one's own is documented as configuration, its base class is not.
    from dagster._core.run_coordinator.base import SubmitRunContext
    from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

    # 1.13.27: tags by which a run tells which run it retries, and whether and by which it is retried.
    from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG, WILL_RETRY_TAG

    # 1.13.27: what Dagster does itself where a SIGTERM must wait.
    from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt
except ImportError as e:
    raise ImportError(
        f"Dagster {dg.__version__} has moved a private name that this project needs ({e}): "
        "install the release that requirements.lock names, or look the name up and change ctr_assets/private_dagster.py"
    ) from e

__all__ = [
    "AUTO_RETRY_RUN_ID_TAG",
    "PARENT_RUN_ID_TAG",
    "ROOT_RUN_ID_TAG",
    "WILL_RETRY_TAG",
    "CheckRunHealthResult",
    "EngineEventData",
    "LaunchRunContext",
    "PartitionKeyFilter",
    "QueuedRunCoordinator",
    "SubmitRunContext",
    "WorkerStatus",
    "capture_interrupts",
    "check_captured_interrupt",
    "metadata_map_from_external",
]
