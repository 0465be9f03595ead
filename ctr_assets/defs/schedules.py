"""The schedules: a safety net for lost runs, and housekeeping."""

import time

import dagster as dg

from ctr_assets.automation.catch_up import days_to_catch_up
from ctr_assets.defs.asset_jobs import new_day
from ctr_assets.defs.automation import SCHEDULE_STATUS, LandingWatch
from ctr_assets.defs.places import Places
from ctr_assets.defs.runs import covers, run_request, unfinished_runs
from ctr_assets.defs.vacuum import vacuum
from ctr_assets.landing.zone import LandingZone
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, RAW_IMPRESSIONS

_NEEDED = (RAW_IMPRESSIONS, FEATURE_VOCABULARY, ENCODED_FEATURES)


@dg.schedule(job=new_day, cron_schedule="0 6 * * *", execution_timezone="UTC", default_status=SCHEDULE_STATUS)
def daily_catch_up(
    context: dg.ScheduleEvaluationContext, places: Places, landing_watch: LandingWatch
) -> list[dg.RunRequest] | dg.SkipReason:
    """Runs `new_day` for days that were delivered and whose tables are not there: a run failed or was lost."""
    done = set.intersection(*(context.instance.get_materialized_partitions(dg.AssetKey(name)) for name in _NEEDED))
    busy = unfinished_runs(context.instance, _NEEDED)
    to_run = [
        days
        for days in days_to_catch_up(
            LandingZone(places.landing_url),
            landing_watch.rules(),
            done,
            now=time.time(),
            tick=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}",
        )
        if not any(covers(run, days.first) or covers(run, days.last) for run in busy)
    ]
    return list(map(run_request, to_run)) or dg.SkipReason("Every delivered day is materialized, or on its way")


weekly_vacuum = dg.ScheduleDefinition(
    name="weekly_vacuum",
    job=vacuum,
    cron_schedule="0 5 * * 0",
    execution_timezone="UTC",
    default_status=SCHEDULE_STATUS,
    description="Deletes versions that no manifest names and abandoned checkpoints, on Sundays",
)

schedules = [daily_catch_up, weekly_vacuum]
