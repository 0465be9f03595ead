"""The launcher of run workers on Kubernetes: being unable to ask is no verdict, and no run has two workers at once."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final, Self

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import get_job_name_from_run_id
from kubernetes.client import V1JobStatus
from kubernetes.client.exceptions import ApiException
from sqlalchemy.exc import SQLAlchemyError

from ctr_assets.instance.pending import Wait, wait_aside
from ctr_assets.instance.run_jobs import CANNOT_ASK, RunJobs
from ctr_assets.launch.kubernetes.client import RETRIED_STATUSES, brief, message_of
from ctr_assets.launch.kubernetes.failure import is_over_quota
from ctr_assets.launch.run_group import run_group
from ctr_assets.private_dagster import CheckRunHealthResult, LaunchRunContext, WorkerStatus

LIMITS: Final = {"unanswered_minutes": 30, "launch_minutes": 15}
"""Of this launcher alone, and their defaults."""
STILL_TO_START: Final = (DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED)
LAUNCH_PAUSES: Final = (2.0, 30.0)
START_PAUSES: Final = (10.0, 60.0)
"""Seconds between two questions, first and longest. Most runs have started before the first is asked."""

log = logging.getLogger("ctr_assets.run_launcher")


class PatientK8sRunLauncher(K8sRunLauncher):
    """dagster-k8s's launcher (0.29.27), but for what it does when the API server is away.

    The base takes each error for an unknown worker, and Dagster's monitoring fails a run for that: a server away for a
    minute fails healthy runs, whose retries then run beside them; and it fails each launch that falls into that minute.
    """

    def __init__(self, unanswered_minutes: int, launch_minutes: int, **config: Any) -> None:
        """``unanswered_minutes``: how long a worker that cannot be asked after is taken to live. ``launch_minutes``:
        how long a launch is tried again; less than the instance's ``run_monitoring.start_timeout_seconds``."""
        super().__init__(**config)
        base = self._api_client
        self._api_client = RunJobs(  # type: ignore[no-untyped-call]
            base.batch_api, base.core_api, base.logger, base.sleeper, base.timer
        )
        self._unanswered_seconds = unanswered_minutes * 60.0
        self._launch_minutes = launch_minutes
        self._silent_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """The base's fields and the two limits, in minutes."""
        own = {name: dg.Field(int, default_value=minutes, is_required=False) for name, minutes in LIMITS.items()}
        base: Mapping[str, Any] = super().config_type()  # type: ignore[no-untyped-call]
        return {**base, **own}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Create the run's Job, or go on trying to. Raises for a refusal that asking again will not change."""
        run = context.dagster_run
        waits = [Wait(lambda: self._has_started(run), *START_PAUSES)]
        if why := self._why_not_yet(context):
            self._say(run, f"The run is not launched yet: {why}. Tried again for up to {self._launch_minutes} minutes")
            limit, give_up = self._launch_minutes * 60.0, lambda: self._give_up(run)
            waits.insert(0, Wait(lambda: self._is_settled(context), *LAUNCH_PAUSES, limit, give_up))
        wait_aside(run.run_id, waits)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """UNKNOWN fails the run: said when its Job is gone, or nobody could be asked for longer than the limit."""
        name, namespace = get_job_name_from_run_id(run.run_id), self.get_container_context_for_run(run).namespace
        try:
            status = self._api_client.get_job_status(name, namespace)
        except CANNOT_ASK as e:
            return self._without_an_answer(run, e)
        if self._silent_since.pop(run.run_id, None) is not None:
            self._say(run, "The API server answers again")
        if status is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, f"Job {name} could not be found")
        if _has_no_pod_left(status):
            return CheckRunHealthResult(WorkerStatus.FAILED, f"Job {name} has no active pod, and its run is not over")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _without_an_answer(self, run: DagsterRun, error: Exception) -> CheckRunHealthResult:
        told = f"The worker cannot be asked after ({brief(error)})"
        if run.run_id not in self._silent_since:
            self._say(run, f"{told}: that is no verdict for {self._unanswered_seconds / 60:.0f} minutes")
        silent = time.monotonic() - self._silent_since.setdefault(run.run_id, time.monotonic())
        log.warning("Run %s: %s, for %.0f s", run.run_id, told, silent)
        if silent > self._unanswered_seconds:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, f"{told}, for {silent / 60:.0f} minutes")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _why_not_yet(self, context: LaunchRunContext) -> str | None:
        """Launch; None when that is done, else why it has to be tried again."""
        try:
            if living := self._end_predecessors(context.dagster_run):
                return f"{', '.join(living)} of the run that it retries is still ending"
            super().launch_run(context)
        except CANNOT_ASK as e:
            if isinstance(e, ApiException) and not (e.status in RETRIED_STATUSES or is_over_quota(message_of(e))):
                raise
            return f"{brief(e)} {message_of(e) if isinstance(e, ApiException) else ''}".strip()
        return None

    def _end_predecessors(self, run: DagsterRun) -> list[str]:
        """Workers of finished runs of the same group that are not gone: two would follow the same jobs."""
        if run.root_run_id is None:
            return []
        group = [record.dagster_run for record in run_group(self._instance, run.root_run_id)]
        over = [each.run_id for each in group if each.is_finished]
        return self._api_client.end(over, self.get_container_context_for_run(run).namespace) if over else []

    def _is_settled(self, context: LaunchRunContext) -> bool:
        """Try again to launch; whether nothing is left to do. A database that does not answer settles nothing."""
        run_id = context.dagster_run.run_id
        try:
            self._cancel_if_told(run_id)
            return not self._is_to_start(run_id) or self._why_not_yet(context) is None
        except SQLAlchemyError as e:
            log.warning("Run %s: the database does not answer (%s)", run_id, type(e).__name__)
            return False
        except Exception as e:
            log.exception("Run %s cannot be launched", run_id)
            self._instance.report_run_failed(context.dagster_run, f"The run cannot be launched: {e}")
            return True

    def _has_started(self, run: DagsterRun) -> bool:
        """Whether a launched run has started or is over. One whose worker ended before that is failed, so retried.

        Dagster itself asks after the workers of started runs alone: this one would wait for the limit of its start.
        """
        name, namespace = get_job_name_from_run_id(run.run_id), self.get_container_context_for_run(run).namespace
        try:
            if not self._is_to_start(run.run_id):
                return True
            status = self._api_client.get_job_status(name, namespace)
            if status is not None and not _has_no_pod_left(status):
                return False
            if self._is_to_start(run.run_id):
                self._instance.report_run_failed(run, f"Job {name} ended before it started the run")
        except (SQLAlchemyError, *CANNOT_ASK) as e:
            log.warning("Run %s: whether it starts cannot be asked (%s)", run.run_id, type(e).__name__)
            return False
        return True

    def _is_to_start(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        return run is not None and run.status in STILL_TO_START

    def _cancel_if_told(self, run_id: str) -> None:
        run = self._instance.get_run_by_id(run_id)
        if run is not None and run.status is DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run, "The run was cancelled before it was launched")

    def _give_up(self, run: DagsterRun) -> None:
        self._instance.report_run_failed(run, f"The run could not be launched within {self._launch_minutes} minutes")

    def _say(self, run: DagsterRun, message: str) -> None:
        log.warning("Run %s: %s", run.run_id, message)
        self._instance.report_engine_event(message, run, cls=self.__class__)


def _has_no_pod_left(status: V1JobStatus) -> bool:
    return not status.active and bool(status.failed or status.succeeded)
