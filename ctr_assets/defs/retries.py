"""The retry that Dagster forgot: asked for once more. Deployed where Dagster retries runs.

Dagster's daemon reads the event of a failure once. Where it reads it in the moment before the run's row says so, it
takes the run for one that has not failed, and never looks again
(https://github.com/dagster-io/dagster/issues/33741: 54 of 24,112 retries).
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from ctr_assets.private_dagster import AUTO_RETRY_RUN_ID_TAG, PARENT_RUN_ID_TAG, WILL_RETRY_TAG

LOOK_SECONDS: Final = 30
FORGOTTEN_SECONDS: Final = 60.0
"""How long after a failure its retry is waited for: the daemon looks every five seconds."""
NEWEST_SECONDS: Final = 24 * 3600.0
"""What failed before is left alone: somebody has seen it by now."""
ASKED_AGAIN: Final = "ctr/asked_again"
"""Tag of a run whose retry was asked for once more; the value is its id, as a retry takes over the tags of its run."""


@dg.sensor(minimum_interval_seconds=LOOK_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def forgotten_retries(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Failed runs that Dagster was to retry and did not: each is asked for once more."""
    again = [*ask_again(context.instance, time.time())]
    return dg.SkipReason(f"Asked again for a retry of {', '.join(again)}" if again else "No retry was forgotten")


def ask_again(instance: dg.DagsterInstance, now: float) -> Iterator[str]:
    """Tell Dagster again of each failure that it forgot, once; yields the runs. ``now``: seconds since the epoch."""
    newest = datetime.fromtimestamp(now - NEWEST_SECONDS, UTC)
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={WILL_RETRY_TAG: "true"}, updated_after=newest)
    for record in instance.get_run_records(failed):
        run = record.dagster_run
        ended = record.end_time or record.update_timestamp.timestamp()
        if now - ended < FORGOTTEN_SECONDS or run.tags.get(ASKED_AGAIN) == run.run_id or _is_retried(instance, run):
            continue
        instance.add_run_tags(run.run_id, {ASKED_AGAIN: run.run_id})
        instance.report_run_failed(run, "Dagster was to retry this run and did not: it is told of the failure again")
        yield run.run_id


def _is_retried(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """By Dagster, or by hand."""
    if AUTO_RETRY_RUN_ID_TAG in run.tags:
        return True
    return instance.get_runs_count(dg.RunsFilter(tags={PARENT_RUN_ID_TAG: run.run_id})) > 0
