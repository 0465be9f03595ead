"""What the checks of a day said, read from the instance."""

import dagster as dg

from ctr_assets.defs.checks import BLOCKING_BEFORE_TRAINING
from ctr_assets.private_dagster import PartitionKeyFilter


def failed_check(instance: dg.DagsterInstance, day: str) -> str | None:
    """What speaks against training on a day: the first blocking check that did not pass; None when all passed.

    A check must have been evaluated on the day's newest materialization. One that fails with severity WARN passes.
    """
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        BLOCKING_BEFORE_TRAINING, partition_filter=PartitionKeyFilter(key=day)
    )
    for key in BLOCKING_BEFORE_TRAINING:
        record = latest.get(key)
        name = f"check {key.name} of {key.asset_key.to_user_string()}[{day}]"
        evaluation = record.evaluation if record else None
        if record is None or record.event is None or not isinstance(evaluation, dg.AssetCheckEvaluation):
            return f"{name} was not evaluated: run it"
        if not evaluation.passed and evaluation.severity is not dg.AssetCheckSeverity.WARN:
            return f"{name} failed: {evaluation.description or 'it gives no reason'}"
        if record.event.timestamp < _materialized_at(instance, key.asset_key, day):
            return f"{name} is older than the day's newest materialization: run it again"
    return None


def _materialized_at(instance: dg.DagsterInstance, asset: dg.AssetKey, day: str) -> float:
    """Epoch seconds of the newest materialization of a day; 0 when there is none."""
    of_day = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[day])
    return max((record.timestamp for record in instance.fetch_materializations(of_day, limit=1).records), default=0.0)
