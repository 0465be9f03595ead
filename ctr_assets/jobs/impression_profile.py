"""Job: raw days → counts and click rates of their values, as tables and pictures."""

import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLOTTED_COLUMNS = ("hour_of_day", "banner_pos", "site_category", "app_category", "device_type", "C21")
_LISTED_COLUMNS = ("site_id", "app_id", "device_model", "C14", "C17")
_LISTED_VALUES = 5


class Params(DaysParams):
    pass


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.profile import profile
    from ctr_assets.etl.profile_plots import cardinality_plot, click_rate_plots

    started = time.monotonic()
    store = Store(params.store_url)
    days = profile(spark, store, params.days, params.created_by)
    rows = sum(manifest.rows for manifest, _ in days.values())
    for day, (manifest, table) in days.items():
        hours = table.filter(pc.equal(table["column"], "hour_of_day"))
        totals = {name: pc.sum(hours[name]).as_py() or 0 for name in ("rows", "labelled_rows", "clicks")}
        cardinality = manifest.properties["cardinality"]
        metadata = {
            **throughput(manifest, store, rows, started),
            "impressions": totals["rows"],
            "clicks": totals["clicks"],
            "click_rate": totals["clicks"] / totals["labelled_rows"] if totals["labelled_rows"] else float("nan"),
            "cardinality": r.as_json(cardinality),
            "cardinality_plot": r.picture(cardinality_plot(cardinality), "distinct values by column"),
            "click_rates": r.picture(click_rate_plots(table, PLOTTED_COLUMNS), "click rate by value"),
            "top_values": r.markdown(_top_values(table)),
        }
        report.partition(day, metadata)


def _top_values(table: pa.Table) -> str:
    lines = ["| column | value | impressions | click rate |", "|---|---|---:|---:|"]
    for row in table.to_pylist():
        if row["column"] in _LISTED_COLUMNS and row["rank"] <= _LISTED_VALUES:
            rate = f"{row['clicks'] / row['labelled_rows']:.2%}" if row["labelled_rows"] else "unlabelled"
            lines.append(f"| {row['column']} | {row['value']} | {row['rows']:,} | {rate} |")
    return "\n".join(lines)
