"""Job: the training rows of raw days → their append-only vocabularies."""

import time
from typing import TYPE_CHECKING

from pydantic import Field

from ctr_assets.features import FEATURES
from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store
from ctr_assets.tables import RAW_IMPRESSIONS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(DaysParams):
    previous_day: str | None = Field(description="The day before the first, or null when that is the first of all")
    min_counts: dict[str, int] = Field(default_factory=dict, description="Overrides of the features' min_count")


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.vocabulary import build

    started = time.monotonic()
    store = Store(params.store_url)
    manifests = build(spark, store, params.days, params.previous_day, params.min_counts, params.created_by)
    rows = sum(store.manifest(RAW_IMPRESSIONS, day).rows for day in params.days)
    seconds = time.monotonic() - started
    for day, manifest in manifests.items():
        sizes, new = manifest.properties["sizes"], manifest.properties["new"]
        rows_of_table = [(f.name, f"{sizes[f.name]:,}", f"{new[f.name]:,}") for f in FEATURES]
        report.partition(
            day,
            {
                **throughput(manifest, store, rows, seconds),
                "dagster/row_count": sum(sizes.values()),
                "new_values": sum(new.values()),
                "chain_fingerprint": manifest.properties["chain"][day],
                "sizes": r.table(("feature", "values", "new this day"), rows_of_table),
            },
        )
