"""The sensors: new and changed deliveries are taken in, what depends on them is made again, models are retrained."""

import time

import dagster as dg

from ctr_assets.automation.cursor import parse_cursor
from ctr_assets.automation.predicting import days_to_predict
from ctr_assets.automation.retraining import DECIDED_FROM, decide_retraining
from ctr_assets.automation.rules import DaysToRun
from ctr_assets.automation.staleness import FEATURE_TABLES, stale_features
from ctr_assets.automation.state import read_manifests
from ctr_assets.automation.watch import look
from ctr_assets.defs.asset_jobs import features, models, new_day, predictions
from ctr_assets.defs.automation import SENSOR_SECONDS, SENSOR_STATUS, LandingWatch, PredictionPolicy, RetrainingPolicy
from ctr_assets.defs.check_results import failed_check
from ctr_assets.defs.feature_tables import feature_vocabulary
from ctr_assets.defs.partitions import daily, window_of
from ctr_assets.defs.places import Places
from ctr_assets.defs.runs import covers, requested_before, run_request, unfinished_runs
from ctr_assets.landing.zone import LandingZone
from ctr_assets.storage import Store, UnreadableError
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CLICK_PREDICTIONS,
    CURRENT,
    ENCODED_FEATURES,
    SERVING_MODEL,
    WIDE_DEEP_MODEL,
)


@dg.sensor(job=new_day, minimum_interval_seconds=SENSOR_SECONDS, default_status=SENSOR_STATUS)
def landing_sensor(context: dg.SensorEvaluationContext, places: Places, landing_watch: LandingWatch) -> dg.SensorResult:
    """Runs `new_day` for every day whose delivery is new or has changed, once it is complete, oldest first."""
    zone = LandingZone(places.landing_url)
    found = look(
        zone,
        landing_watch.rules(),
        parse_cursor(context.cursor, zone.url),
        context.instance.get_materialized_partitions(feature_vocabulary.key),
        now=time.time(),
    )
    context.log.info(found.seen)
    return dg.SensorResult(
        run_requests=[run_request(days) for days in found.to_run],
        skip_reason=None if found.to_run else found.seen,
        cursor=found.cursor.dump(),
    )


@dg.sensor(job=features, minimum_interval_seconds=SENSOR_SECONDS, default_status=SENSOR_STATUS)
def stale_features_sensor(context: dg.SensorEvaluationContext, places: Places) -> dg.RunRequest | dg.SkipReason:
    """Runs `features` for the days that were made from what is no longer current, and the days that continue them."""
    busy = unfinished_runs(context.instance, FEATURE_TABLES)
    if busy:
        return dg.SkipReason(_waits_for(busy))
    days = daily.get_partition_keys()
    tables = read_manifests(Store(places.store_url), FEATURE_TABLES, days)
    stale = stale_features(tables, days, tables.unreadable)
    if stale.first is None or stale.last is None:
        return dg.SkipReason(f"{stale.reason}{tables.note}")
    before = requested_before(context.instance, context.sensor_name, stale.run_key)
    if before:
        return dg.SkipReason(f"{stale.reason}; {before}{tables.note}")
    context.log.info(f"{stale.reason}{tables.note}")
    return run_request(DaysToRun(stale.first, stale.last, stale.run_key, stale.reason))


@dg.sensor(job=models, minimum_interval_seconds=SENSOR_SECONDS, default_status=SENSOR_STATUS)
def retraining_sensor(
    context: dg.SensorEvaluationContext, places: Places, retraining_policy: RetrainingPolicy
) -> dg.SensorResult:
    """Runs `models` for a day whose model is out of date, and for the newest labelled day when that is due."""
    busy = unfinished_runs(context.instance, FEATURE_TABLES)
    if busy:
        return dg.SensorResult(skip_reason=_waits_for(busy))
    days = daily.get_partition_keys()
    tables = read_manifests(Store(places.store_url), tuple(dict.fromkeys((*FEATURE_TABLES, *DECIDED_FROM))), days)
    stale = stale_features(tables, days, tables.unreadable)
    if not stale.is_current:
        reason = f"Waits until the feature tables are current: {stale.reason}{tables.note}"
        return dg.SensorResult(skip_reason=reason)
    decision = decide_retraining(
        tables, retraining_policy.policy(), window_of, lambda day: failed_check(context.instance, day)
    )
    training = unfinished_runs(context.instance, [WIDE_DEEP_MODEL])
    requests, reasons = [], []
    for due in decision.trainings:
        if hindrance := _hindrance(context, training, due.day, due.run_key):
            reasons.append(f"{due.day} is due ({due.why}), but {hindrance}")
        else:
            reasons.append(f"{due.day} is trained: {due.why}")
            config = retraining_policy.launchpad_of(due)
            requests.append(run_request(DaysToRun(due.day, due.day, due.run_key, due.why), config))
    reason = "; ".join([*reasons, decision.reason]) + tables.note
    context.log.info(reason)
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)


@dg.sensor(job=predictions, minimum_interval_seconds=SENSOR_SECONDS, default_status=SENSOR_STATUS)
def prediction_sensor(
    context: dg.SensorEvaluationContext, places: Places, prediction_policy: PredictionPolicy
) -> dg.SensorResult:
    """Runs `predictions` for a day once its features are made, and for the newest days when a model was promoted."""
    store = Store(places.store_url)
    tables = read_manifests(store, (ENCODED_FEATURES, CLICK_PREDICTIONS), daily.get_partition_keys())
    try:
        champion, exported = (store.find(table, CURRENT) for table in (CHAMPION_MODEL, SERVING_MODEL))
    except UnreadableError as e:
        return dg.SensorResult(skip_reason=str(e))
    due = days_to_predict(
        tables[ENCODED_FEATURES],
        tables[CLICK_PREDICTIONS],
        champion,
        exported,
        prediction_policy.newest_days,
        lambda day: failed_check(context.instance, day),
    )
    running = unfinished_runs(context.instance, [CLICK_PREDICTIONS])
    requests, reasons = [], []
    for days in due.days:
        if hindrance := _hindrance(context, running, days.first, days.run_key):
            reasons.append(f"{days.why}, but {hindrance}")
        else:
            reasons.append(days.why)
            requests.append(run_request(days))
    reason = "; ".join([*reasons, due.reason]) + tables.note
    context.log.info(reason)
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)


def _hindrance(
    context: dg.SensorEvaluationContext, unfinished: list[dg.DagsterRun], day: str, run_key: str
) -> str | None:
    """Why a run of a day is not requested now, as a clause: one is on its way, or was requested before."""
    busy = [run for run in unfinished if covers(run, day)]
    return _waits_for(busy) if busy else requested_before(context.instance, context.sensor_name, run_key)


def _waits_for(runs: list[dg.DagsterRun]) -> str:
    oldest = runs[-1]
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return f"waits for run {oldest.run_id[:8]} of {oldest.job_name} ({oldest.status.value.lower()}){more}"


automation_sensors = [landing_sensor, stale_features_sensor, retraining_sensor, prediction_sensor]
