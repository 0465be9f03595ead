"""Job: raw days and their vocabularies → the encoded tables that both models read."""

import time
from typing import TYPE_CHECKING

from ctr_assets.features import FEATURES
from ctr_assets.jobs import report as r
from ctr_assets.jobs.parameters import DaysParams
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(DaysParams):
    pass


def run(params: Params, report: r.Report, spark: "SparkSession") -> None:
    from ctr_assets.etl.encode import encode

    started = time.monotonic()
    store = Store(params.store_url)
    manifests = encode(spark, store, params.days, params.created_by)
    rows = sum(manifest.rows for manifest in manifests.values())
    seconds = time.monotonic() - started
    for day, manifest in manifests.items():
        unknown, splits = manifest.properties["unknown_rows"], manifest.properties["splits"]
        shares = {f.name: unknown[f.name] / max(1, manifest.rows) for f in FEATURES}
        table = "\n".join(f"| {name} | {share:.2%} |" for name, share in shares.items())
        report.partition(
            day,
            {
                **throughput(manifest, store, rows, seconds),
                **{f"{split}_rows": count for split, count in splits.items()},
                "clicks": manifest.properties["clicks"],
                "bytes_per_row": round(manifest.bytes / max(1, manifest.rows), 2),
                "unknown_share": r.markdown(f"| feature | out of vocabulary |\n|---|---:|\n{table}"),
                "mean_unknown_share": sum(shares.values()) / len(shares),
            },
        )
