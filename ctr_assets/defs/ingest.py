"""Stage 1: delivered files become raw impressions, and each day gets a profile."""

import dagster as dg
from pydantic import Field

from ctr_assets.defs.jobs import launch_days
from ctr_assets.defs.launchpad import JobConfig
from ctr_assets.defs.partitions import daily, first_and_last_day
from ctr_assets.defs.places import Places
from ctr_assets.defs.schema import OWNERS, SPARK_KINDS, column_schema
from ctr_assets.features import RAW_COLUMNS
from ctr_assets.launch import JobLauncher
from ctr_assets.tables import PROFILE_DESCRIPTIONS, PROFILE_SCHEMA, RAW_SCHEMA


class RawImpressionsConfig(JobConfig):
    """When a delivery is too bad to be taken."""

    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of rejected rows (0 to 1) above which nothing is committed"
    )


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingest",
    kinds=SPARK_KINDS,
    pool="spark",
    owners=OWNERS,
    code_version="1",
    metadata=column_schema(RAW_SCHEMA, RAW_COLUMNS),
)
def raw_impressions(
    context: dg.AssetExecutionContext,
    config: RawImpressionsConfig,
    places: Places,
    spark_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """Every valid impression of the day, once per id, parsed from the landing zone.

    An impression is one line. Rejected lines are in the table `quarantined_rows` with file, reason and text. The line
    account in the metadata says what became of every line of each file.
    A range of days reads each delivered file once.
    """
    first_day, last_day = first_and_last_day()
    return launch_days(
        context,
        spark_launcher,
        places,
        config,
        landing_url=places.landing_url,
        max_quarantined_share=config.max_quarantined_share,
        first_day=first_day,
        last_day=last_day,
    )


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[raw_impressions],
    group_name="ingest",
    kinds=SPARK_KINDS,
    pool="spark",
    owners=OWNERS,
    code_version="1",
    metadata=column_schema(PROFILE_SCHEMA, PROFILE_DESCRIPTIONS),
)
def impression_profile(
    context: dg.AssetExecutionContext, config: JobConfig, places: Places, spark_launcher: dg.ResourceParam[JobLauncher]
) -> dg.MaterializeResult[None]:
    """Distinct values of each column that day, and how often the frequent ones occur and are clicked."""
    return launch_days(context, spark_launcher, places, config)
