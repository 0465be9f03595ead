"""The one launch path: open a Pipes session, let an engine run the job, and believe nothing but its own report."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import PipesSession, PipesTempFileContextInjector, open_pipes_session

from ctr_assets.launch.job import Footprint, JobDescription, Outcome
from ctr_assets.launch.messages import WholeLineMessageReader
from ctr_assets.launch.run_state import RunOfThisWorker
from ctr_assets.private_dagster import metadata_map_from_external


class JobFailedError(dg.Failure):
    """A job failed, or ended without having reported everything it was to commit."""


@dataclass(frozen=True)
class Report:
    """What a job told through Pipes: of each partition its metadata, why it failed, and whether it said all."""

    partitions: Mapping[str, dict[str, Any]]
    failed: str | None
    is_closed: bool

    @classmethod
    def of(cls, session: PipesSession) -> "Report":
        """The report of a session that is over."""
        messages = session.get_custom_messages()
        return cls(
            partitions={message["partition"]: message["metadata"] for message in messages if "partition" in message},
            failed=next((message["failed"] for message in messages if "failed" in message), None),
            is_closed=session.message_handler.received_closed_message,
        )


class JobLauncher(dg.ConfigurableResource[Any], ABC):
    """Runs a job where the deployment wants it. Subclasses say how by :meth:`execute`."""

    def launch(self, context: dg.AssetExecutionContext, job: JobDescription) -> None:
        """Run the job to its end and attach what it reported to the materialization of each of its partitions.

        Raises :class:`JobFailedError` unless the engine ended well AND the job closed its report AND every expected
        partition was reported: an exit code alone proves nothing.
        """
        launched = time.monotonic()
        outcome, report = self.attempt(context, job)
        # Whoever ended the run meanwhile may have had it retried: then the retry's report counts, and not this one too.
        RunOfThisWorker(context).interrupt_unless_own(at_once=True)
        problem = _problem(job, outcome, report)
        if problem is not None:
            self.discard(context, job)
            raise JobFailedError(description=problem)
        seconds = time.monotonic() - launched if outcome.seconds is None else outcome.seconds
        cost = self._cost(context, job, seconds)
        for partition in job.partitions:
            metadata = {**_metadata(report.partitions[partition]), **cost}
            context.add_asset_metadata(metadata, partition_key=partition or None)

    def attempt(self, context: dg.AssetExecutionContext, job: JobDescription) -> tuple[Outcome, Report]:
        """Run the job once: what its engine said, and what it said itself."""
        with self.open_session(context, job) as session:
            outcome = self.execute(context, job, session)
        return outcome, Report.of(session)

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
    def execute(self, context: dg.AssetExecutionContext, job: JobDescription, session: PipesSession) -> Outcome:
        """Run the job to its end."""


def _problem(job: JobDescription, outcome: Outcome, report: Report) -> str | None:
    """Why the job is no success, None when it is one."""
    missing = [partition for partition in job.partitions if partition not in report.partitions]
    if outcome.leads and report.failed:
        return f"{job.name} failed: {outcome.failure}\nThe process that reports said: {report.failed}"
    if report.failed or outcome.failure:
        return f"{job.name} failed: {report.failed or outcome.failure}"
    if not report.is_closed:
        return f"{job.name} ended without closing its report: it was killed or lost. Materialize it again"
    if missing:
        return f"{job.name} reported nothing for {', '.join(map(repr, missing))}"
    return None


def _metadata(reported: dict[str, Any]) -> dict[str, Any]:
    """Metadata as Pipes carries it → Dagster's metadata values."""
    wrapped = {
        key: value if isinstance(value, dict) else {"type": "__infer__", "raw_value": value}
        for key, value in reported.items()
    }
    return dict(metadata_map_from_external(wrapped))  # type: ignore[arg-type]
