"""The one launch path: open a Pipes session, let an engine run the job, and believe nothing but its own report."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster import PipesSession, PipesTempFileContextInjector, open_pipes_session

from ctr_assets.launch.job import Footprint, JobDescription
from ctr_assets.launch.messages import WholeLineMessageReader
from ctr_assets.private_dagster import metadata_map_from_external


class JobFailedError(dg.Failure):
    """A job failed, or ended without having reported everything it was to commit."""


class JobLauncher(dg.ConfigurableResource[Any], ABC):
    """Runs a job where the deployment wants it. Subclasses say how by :meth:`execute`."""

    def launch(self, context: dg.AssetExecutionContext, job: JobDescription) -> None:
        """Run the job to its end and attach what it reported to the materialization of each of its partitions.

        Raises :class:`JobFailedError` unless the engine ended well AND the job closed its report AND every expected
        partition was reported: an exit code alone proves nothing.
        """
        launched = time.monotonic()
        with self.open_session(context, job) as session:
            failure = self.execute(context, job, session)
        messages = session.get_custom_messages()
        told = [message["failed"] for message in messages if "failed" in message]
        reported = {message["partition"]: message["metadata"] for message in messages if "partition" in message}
        missing = [partition for partition in job.partitions if partition not in reported]
        problem = None
        if told or failure:
            problem = f"{job.name} failed: {told[0] if told else failure}"
        elif not session.message_handler.received_closed_message:
            problem = f"{job.name} ended without closing its report: it was killed or lost. Materialize it again"
        elif missing:
            problem = f"{job.name} reported nothing for {', '.join(map(repr, missing))}"
        if problem is not None:
            self.discard(context, job)
            raise JobFailedError(description=problem)
        cost = self._cost(context, job, time.monotonic() - launched)
        for partition in job.partitions:
            metadata = {**_metadata(reported[partition]), **cost}
            context.add_asset_metadata(metadata, partition_key=partition or None)

    def _cost(self, context: dg.AssetExecutionContext, job: JobDescription, seconds: float) -> dict[str, Any]:
        footprint, external = self.footprint(job), self.external_job(context, job)
        return {
            "core_seconds": round(footprint.cores * seconds, 1),
            "gpu_seconds": round(footprint.gpus * seconds, 1),
            **({"external_job": external} if external is not None else {}),
        }

    @abstractmethod
    def footprint(self, job: JobDescription) -> Footprint:
        """What the job occupies while it runs; where the engine may grow, at its largest."""

    def external_job(self, context: dg.AssetExecutionContext, job: JobDescription) -> dg.MetadataValue | None:
        """Where a person finds the job outside Dagster; None when it ran inside the run."""
        return None

    def discard(self, context: dg.AssetExecutionContext, job: JobDescription) -> None:
        """Leave nothing of a failed job that a retry would adopt; its engine may have called it a success."""

    @contextmanager
    def open_session(self, context: dg.AssetExecutionContext, job: JobDescription) -> Iterator[PipesSession]:
        """The Pipes session that the job reports to; by default through temporary files of this machine."""
        with open_pipes_session(context, PipesTempFileContextInjector(), WholeLineMessageReader()) as session:
            yield session

    @abstractmethod
    def execute(self, context: dg.AssetExecutionContext, job: JobDescription, session: PipesSession) -> str | None:
        """Run the job to its end; None when the engine says it ended well, else what the engine says went wrong."""


def _metadata(reported: dict[str, Any]) -> dict[str, Any]:
    """Metadata as Pipes carries it → Dagster's metadata values."""
    wrapped = {
        key: value if isinstance(value, dict) else {"type": "__infer__", "raw_value": value}
        for key, value in reported.items()
    }
    return dict(metadata_map_from_external(wrapped))  # type: ignore[arg-type]
