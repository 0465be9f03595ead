"""Job: the training rows of raw days → their append-only vocabularies."""

import time
from typing import TYPE_CHECKING, Self

from pydantic import Field, PositiveInt, model_validator

from ctr_assets.days import Day, shift
from ctr_assets.features import FEATURE_BY_NAME, FEATURES
from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store
from ctr_assets.tables import RAW_IMPRESSIONS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(DaysParams):
    previous_day: Day | None = Field(description="The day before the first, or null when that is the first of all")
    min_counts: dict[str, PositiveInt] = Field(default_factory=dict, description="Overrides of the features' min_count")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.previous_day not in (None, before := shift(self.days[0], -1)):
            raise ValueError(
                f"previous_day is {self.previous_day}, expected {before}, the day before the first, or null"
            )
        if unknown := [name for name in self.min_counts if name not in FEATURE_BY_NAME]:
            raise ValueError(f"min_counts: {', '.join(unknown)} is no feature; there are {', '.join(FEATURE_BY_NAME)}")
        return self


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
