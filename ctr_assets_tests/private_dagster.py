"""What the tests take of Dagster beyond its public API, each with the release that it was read in and the reason."""

# 1.13.27: check a class's configuration without connecting to its database or cluster.
from dagster._config import process_config, resolve_to_config_type

# 1.13.27: execute a run that is already in the instance, as a run worker does.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

# 1.13.27: what the UI's backfill dialogue writes. There is no public way to ask for a backfill in Python.
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

# 1.13.27: read an instance's file without making the instance.
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef

# 1.13.27: the class that an instance's file names.
from dagster._serdes.config_class import class_from_code_pointer

__all__ = [
    "BulkActionStatus",
    "InMemoryJob",
    "InstanceRef",
    "PartitionBackfill",
    "class_from_code_pointer",
    "dagster_instance_config",
    "execute_run",
    "process_config",
    "resolve_to_config_type",
]
