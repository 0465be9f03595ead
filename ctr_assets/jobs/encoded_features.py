"""Job: raw days and their vocabularies → the encoded tables that both models read."""

import time
from typing import TYPE_CHECKING

from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.quality.distribution import unknown_shares
from ctr_assets.quality.trailing import trailing_week
from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_FEATURES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(DaysParams):
    pass


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.encode import encode
    from ctr_assets.etl.plots import unknown_share_plot
    from ctr_assets.etl.tasks import run_tasks

    started = time.monotonic()
    store = Store(params.store_url)
    manifests = encode(spark, store, params.days, params.created_by)
    weeks = []
    for day, manifest in manifests.items():
        before = trailing_week(store, ENCODED_FEATURES, day, lambda each: (each.partition, unknown_shares(each)))
        if before.left_out:
            report.log(f"the picture of unknown values of {day} lacks days{before.left_out}")
        weeks.append(dict(reversed([(day, unknown_shares(manifest)), *before.days])))
    pictures = run_tasks(spark, weeks, unknown_share_plot)
    rows = sum(manifest.rows for manifest in manifests.values())
    seconds = time.monotonic() - started
    for (day, manifest), week, picture in zip(manifests.items(), weeks, pictures, strict=True):
        shares, splits = week[day], manifest.properties["splits"]
        unknown = [(name, f"{share:.2%}") for name, share in shares.items()]
        report.partition(
            day,
            {
                **throughput(manifest, store, rows, seconds),
                **{f"{split}_rows": count for split, count in splits.items()},
                "clicks": manifest.properties["clicks"],
                "bytes_per_row": round(manifest.bytes / max(1, manifest.rows), 2),
                "unknown_share": r.table(("feature", "out of vocabulary"), unknown),
                "mean_unknown_share": sum(shares.values()) / len(shares),
                "unknown_shares": r.picture(picture, "out of vocabulary, by day"),
            },
        )
