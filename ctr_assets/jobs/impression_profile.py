"""Job: raw days → counts and click rates of their values, as tables and pictures."""

import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.plain_text import visible
from ctr_assets.storage import Manifest, Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLOTTED_COLUMNS = ("hour_of_day", "banner_pos", "site_category", "app_category")
_LISTED_COLUMNS = ("site_id", "app_id", "device_model", "C14", "C17")
_LISTED_VALUES = 5


class Params(DaysParams):
    pass


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.plots import cardinality_plot, click_rate_plots
    from ctr_assets.etl.profile import profile
    from ctr_assets.etl.tasks import run_tasks

    def draw(day: tuple[Manifest, pa.Table]) -> tuple[bytes, bytes]:
        manifest, table = day
        return cardinality_plot(manifest.properties["cardinality"]), click_rate_plots(table, PLOTTED_COLUMNS)

    started = time.monotonic()
    store = Store(params.store_url)
    days = profile(spark, store, params.days, params.created_by)
    pictures = run_tasks(spark, list(days.values()), draw)
    totals = {day: _totals(table) for day, (_, table) in days.items()}
    rows, seconds = sum(total["rows"] for total in totals.values()), time.monotonic() - started
    for (day, (manifest, table)), (cardinality_picture, click_rate_picture) in zip(days.items(), pictures, strict=True):
        total = totals[day]
        report.partition(
            day,
            {
                **throughput(manifest, store, rows, seconds),
                "impressions": total["rows"],
                "clicks": total["clicks"],
                "click_rate": total["clicks"] / total["labelled_rows"] if total["labelled_rows"] else float("nan"),
                "cardinality": r.as_json(manifest.properties["cardinality"]),
                "cardinality_plot": r.picture(cardinality_picture, "distinct values by column"),
                "click_rates": r.picture(click_rate_picture, "click rate by value"),
                "top_values": _top_values(table),
            },
        )


def _totals(profile: pa.Table) -> dict[str, int]:
    """Impressions, labelled impressions and clicks of the day: every impression has one of the 24 hours."""
    hours = profile.filter(pc.equal(profile["column"], "hour_of_day"))
    return {name: pc.sum(hours[name]).as_py() or 0 for name in ("rows", "labelled_rows", "clicks")}


def _top_values(table: pa.Table) -> dict[str, Any]:
    rows = []
    for row in table.to_pylist():
        if row["column"] in _LISTED_COLUMNS and row["rank"] <= _LISTED_VALUES:
            rate = f"{row['clicks'] / row['labelled_rows']:.2%}" if row["labelled_rows"] else "unlabelled"
            rows.append((row["column"], visible(row["value"]), f"{row['rows']:,}", rate))
    return r.table(("column", "value", "impressions", "click rate"), rows, text_columns=2)
