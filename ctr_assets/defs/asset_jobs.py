"""The jobs that people and sensors run: named parts of the graph, for one day or a range of days."""

from typing import Any, Final

import dagster as dg

from ctr_assets.tables import (
    CHAMPION_MODEL,
    CHAMPION_VALIDATION,
    CLICK_PREDICTIONS,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    EVALUATION_REPORT,
    FEATURE_VOCABULARY,
    FITTED_BASELINES,
    IMPRESSION_PROFILE,
    RAW_IMPRESSIONS,
    SERVING_MODEL,
    WIDE_DEEP_MODEL,
)

IN_ORDER: Final = {"ctr/feature_tables": "in_order"}
"""Tag of the jobs that write the feature tables. The instance's queue lets one of them run at a time, in the order they
were asked for: feature_vocabulary of a day continues that of the day before."""

_INGEST: Final = (RAW_IMPRESSIONS, IMPRESSION_PROFILE)
_FEATURES: Final = (FEATURE_VOCABULARY, ENCODED_FEATURES)
_MODELS: Final = (
    WIDE_DEEP_MODEL,
    *FITTED_BASELINES,
    EVALUATION_METRICS,
    EVALUATION_REPORT,
    CHAMPION_MODEL,
    SERVING_MODEL,
)

ASSETS_OF_JOB: Final[dict[str, tuple[str, ...]]] = {
    "ingest": _INGEST,
    "features": _FEATURES,
    "models": _MODELS,
    "predictions": (CLICK_PREDICTIONS,),
    "new_day": (*_INGEST, *_FEATURES, CHAMPION_VALIDATION),
    "whole_graph": (*_INGEST, *_FEATURES, *_MODELS, CHAMPION_VALIDATION, CLICK_PREDICTIONS),
}


def _job(name: str, description: str, tags: dict[str, Any] | None = None) -> Any:
    selection = dg.AssetSelection.assets(*ASSETS_OF_JOB[name])
    return dg.define_asset_job(name, selection, description=description, tags=tags)


ingest: Final = _job("ingest", "Impressions from the landing zone, and their profile")
features: Final = _job("features", "Vocabulary and encoded rows, from impressions that are there", IN_ORDER)
models: Final = _job(
    "models", "Train a day's model and its baselines, evaluate them, promote the model if it is better, and export it"
)
predictions: Final = _job("predictions", "The champion's click probability of every impression of a day")
new_day: Final = _job("new_day", "Everything that a new day of impressions needs before a model is trained", IN_ORDER)
whole_graph: Final = _job("whole_graph", "Every asset, from the landing zone to a model in use", IN_ORDER)

asset_jobs: Final = [ingest, features, models, predictions, new_day, whole_graph]
