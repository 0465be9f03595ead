"""Which runs are queued or in progress, and what they write: so that nothing is asked for twice."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import dagster as dg

from ctr_assets.automation.rules import DaysToRun
from ctr_assets.defs.asset_jobs import ASSETS_OF_JOB

UNFINISHED: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
PARTITION: Final = "dagster/partition"
RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"
WHY: Final = "ctr/why"
"""Tag that tells on a run's page why it was requested."""


def unfinished_runs(instance: dg.DagsterInstance, assets: Collection[str]) -> list[dg.DagsterRun]:
    """The runs, queued or in progress, that write any of ``assets``: of our jobs, or launched on the assets."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return [run for run in runs if not written_by(run).isdisjoint(assets)]


def written_by(run: dg.DagsterRun) -> set[str]:
    """Names of the assets that a run materializes."""
    if run.asset_selection is not None:
        return {key.to_user_string() for key in run.asset_selection}
    return set(ASSETS_OF_JOB.get(run.job_name, ()))


def covers(run: dg.DagsterRun, day: str) -> bool:
    """Whether a run is of a day; one without a partition is taken to be."""
    first = run.tags.get(PARTITION, run.tags.get(RANGE_START))
    last = run.tags.get(PARTITION, run.tags.get(RANGE_END))
    return first is None or last is None or first <= day <= last


def requested_before(instance: dg.DagsterInstance, sensor: str, run_key: str) -> str | None:
    """What became of the run that a sensor requested under a key, as a clause; None when it requested none."""
    tags = {"dagster/sensor_name": sensor, "dagster/run_key": run_key}
    run = next(iter(instance.get_runs(dg.RunsFilter(tags=tags), limit=1)), None)
    if run is None:
        return None
    hint = "; re-execute it when the cause is gone" if run.is_failure_or_canceled else ""
    return f"run {run.run_id[:8]} was requested for it and is {run.status.value.lower()}{hint}"


def run_request(days: DaysToRun, config: Mapping[str, Mapping[str, Any]] | None = None) -> dg.RunRequest:
    """One run of these days. ``config``: asset → what a person would set in its launchpad."""
    run_config = {"ops": {asset: {"config": dict(fields)} for asset, fields in (config or {}).items()}}
    if days.first == days.last:
        return dg.RunRequest(days.run_key, run_config, partition_key=days.first, tags={WHY: days.why})
    tags = {RANGE_START: days.first, RANGE_END: days.last, WHY: days.why}
    return dg.RunRequest(days.run_key, run_config, tags=tags)
