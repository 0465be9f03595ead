"""How old the newest data may be before the UI says so. Only a live feed grows old: published data is done."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from ctr_assets.defs.partitions import LAST_DAY
from ctr_assets.tables import ENCODED_FEATURES, EVALUATION_METRICS, RAW_IMPRESSIONS, WIDE_DEEP_MODEL

FRESH: Final = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=30), fail_window=timedelta(hours=48))
"""A day is delivered and taken in every 24 hours. Six hours more are late, a day more is overdue."""
KEPT_FRESH: Final = (RAW_IMPRESSIONS, ENCODED_FEATURES, WIDE_DEEP_MODEL, EVALUATION_METRICS)


def with_freshness(assets: Sequence[Any]) -> Sequence[Any]:
    """The assets, those of ``KEPT_FRESH`` with the policy where the graph's last day is left open."""
    if LAST_DAY != "open":
        return assets
    kept = {dg.AssetKey(name) for name in KEPT_FRESH}
    return dg.map_asset_specs(
        lambda spec: dg.apply_freshness_policy(spec, FRESH) if spec.key in kept else spec, list(assets)
    )
