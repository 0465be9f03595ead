"""Job: landing files → ``raw_impressions`` and the quarantine of rejected rows."""

import time
from typing import TYPE_CHECKING

from pydantic import Field

from ctr_assets.days import Day
from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.landing.account import ACCOUNT_COLUMNS, account_rows, rows_outside
from ctr_assets.landing.apart import check_apart
from ctr_assets.storage import Store
from ctr_assets.tables import QUARANTINE
from ctr_assets.urls import Place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(DaysParams):
    landing_url: Place = Field(description="Folder or gs:// prefix of the delivered files")
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of rejected rows above which nothing is committed"
    )
    first_day: Day = Field(default="2000-01-01", description="First day of the graph; rows before it are counted")
    last_day: Day = Field(default="2099-12-31", description="Its last day; rows after it are counted")


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.raw import ingest

    check_apart(params.landing_url, params.store_url)
    started = time.monotonic()
    store = Store(params.store_url)
    found = ingest(
        spark,
        store,
        params.landing_url,
        params.days,
        max_quarantined_share=params.max_quarantined_share,
        created_by=params.created_by,
    )
    for name, why in found.left_out.items():
        report.log(f"Left out {name}: {why}")
    rows = sum(day.raw.rows for day in found.days.values())
    seconds = time.monotonic() - started
    for day, outcome in found.days.items():
        outside = rows_outside(outcome.accounts, params.first_day, params.last_day)
        if outside:
            report.log(f"{day}: {_told(outside)} in its files are of days outside the graph and were left out")
        report.partition(
            day,
            {
                **throughput(outcome.raw, store, rows, seconds),
                "quarantined_rows": outcome.quarantined.rows,
                "undated_quarantined_rows": found.undated.rows if found.undated else 0,
                "duplicate_rows": sum(account.duplicates.get(day, 0) for account in outcome.accounts),
                "outside_rows": sum(outside.values()),
                "quarantine_path": r.path(store.path(QUARANTINE, day)),
                "line_account": r.table(ACCOUNT_COLUMNS, account_rows(outcome.accounts)),
                "left_out": r.table(("file", "why"), [list(each) for each in found.left_out.items()]),
            },
        )


def _told(rows_by_day: dict[str, int]) -> str:
    return ", ".join(f"{rows:,} rows of {day}" for day, rows in rows_by_day.items())
