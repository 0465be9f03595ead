"""Job: landing files → ``raw_impressions`` and the quarantine of rejected rows."""

import time
from typing import TYPE_CHECKING

from pydantic import Field

from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(DaysParams):
    landing_url: str = Field(description="Folder or gs:// prefix of the delivered files")
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of rejected rows above which nothing is committed"
    )


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.raw import ingest

    started = time.monotonic()
    store = Store(params.store_url)
    days, undated = ingest(
        spark,
        store,
        params.landing_url,
        params.days,
        max_quarantined_share=params.max_quarantined_share,
        created_by=params.created_by,
    )
    rows = sum(day.raw.rows for day in days.values())
    seconds = time.monotonic() - started
    for day, outcome in days.items():
        report.partition(
            day,
            {
                **throughput(outcome.raw, store, rows, seconds),
                "quarantined_rows": outcome.quarantined.rows,
                "undated_quarantined_rows": undated.rows if undated else 0,
                "duplicate_rows": outcome.duplicates,
                "quarantine_path": r.path(store.path("quarantined_rows", day)),
            },
        )
