"""Stage 2: values become ids (append-only), impressions become rows of ids."""

import dagster as dg
from pydantic import Field

from ctr_assets.defs.ingest import raw_impressions
from ctr_assets.defs.jobs import launch_days
from ctr_assets.defs.launchpad import JobConfig
from ctr_assets.defs.partitions import daily, day_before, previous_day
from ctr_assets.defs.places import Places
from ctr_assets.defs.schema import OWNERS, SPARK_KINDS, column_lineage, column_schema
from ctr_assets.features import BASE_COLUMNS, FEATURE_BY_NAME, FEATURES, HOUR_OF_DAY
from ctr_assets.launch import JobLauncher
from ctr_assets.tables import (
    ENCODED_DESCRIPTIONS,
    ENCODED_SCHEMA,
    FEATURE_VOCABULARY,
    RAW_IMPRESSIONS,
    VOCABULARY_DESCRIPTIONS,
    VOCABULARY_SCHEMA,
)


def _raw_columns(columns: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(RAW_IMPRESSIONS, "hour" if column == HOUR_OF_DAY else column) for column in columns]


_VALUE_SOURCES = _raw_columns(BASE_COLUMNS)
_VOCABULARY_LINEAGE = column_lineage(
    {"value": _VALUE_SOURCES, "id": [*_VALUE_SOURCES, (RAW_IMPRESSIONS, "id"), (FEATURE_VOCABULARY, "id")]}
)
_ENCODED_LINEAGE = column_lineage(
    {
        "row": [(RAW_IMPRESSIONS, "id")],
        "label": [(RAW_IMPRESSIONS, "click")],
        "split": [(RAW_IMPRESSIONS, "id"), (RAW_IMPRESSIONS, "click")],
        **{
            feature.name: [*_raw_columns(feature.columns), (FEATURE_VOCABULARY, "value"), (FEATURE_VOCABULARY, "id")]
            for feature in FEATURES
        },
    }
)


class FeatureVocabularyConfig(JobConfig):
    """When a value earns an id."""

    min_counts: dict[str, int] = Field(
        default={},
        description="Feature name -> training rows a value must have been seen in (default 1; 2 for site, app and "
        "device_model fields; 10 for device_id and device_ip). Holds from the first day of this run on",
    )


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[raw_impressions, dg.AssetDep("feature_vocabulary", partition_mapping=previous_day)],
    group_name="features",
    kinds=SPARK_KINDS,
    pool="spark",
    owners=OWNERS,
    code_version="1",
    metadata=column_schema(VOCABULARY_SCHEMA, VOCABULARY_DESCRIPTIONS),
)
def feature_vocabulary(
    context: dg.AssetExecutionContext,
    config: FeatureVocabularyConfig,
    places: Places,
    spark_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """The id of every known value of every feature: yesterday's ids, then those of the values that earned one today."""
    wrong = {name: count for name, count in config.min_counts.items() if name not in FEATURE_BY_NAME or count < 1}
    if wrong:
        raise dg.Failure(
            f"min_counts takes feature names and counts of at least 1, not {wrong}; "
            f"the features are {', '.join(FEATURE_BY_NAME)}"
        )
    first = min(context.partition_keys)
    launch_days(
        context, spark_launcher, places, config, previous_day=day_before(first), min_counts=dict(config.min_counts)
    )
    return dg.MaterializeResult(metadata=_VOCABULARY_LINEAGE)


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[raw_impressions, feature_vocabulary],
    group_name="features",
    kinds=SPARK_KINDS,
    pool="spark",
    owners=OWNERS,
    code_version="1",
    metadata=column_schema(ENCODED_SCHEMA, ENCODED_DESCRIPTIONS),
)
def encoded_features(
    context: dg.AssetExecutionContext, config: JobConfig, places: Places, spark_launcher: dg.ResourceParam[JobLauncher]
) -> dg.MaterializeResult[None]:
    """What both models read: label, split and one id column per feature, encoded with the day's own vocabulary."""
    launch_days(context, spark_launcher, places, config)
    return dg.MaterializeResult(metadata=_ENCODED_LINEAGE)
