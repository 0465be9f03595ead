"""Job ``gbt_baseline``: the study's baseline, Spark ML's GBTClassifier, on a window's training rows.

Reported metadata: the figures of every table (``dagster/row_count`` is of the training rows), ``trees``, ``max_depth``,
``base_rate`` (click-through rate of the training rows) and ``feature_importances`` (a table).
"""

import time
from typing import TYPE_CHECKING

from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.jobs.parameters import WindowParams
from ctr_assets.jobs.report import Report, table
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Params(WindowParams):
    """What the job is told."""

    gbt: GbtConfig = GbtConfig()


def run(params: Params, report: Report, spark: "SparkSession") -> None:
    """Train, commit and report the baseline of one day."""
    from ctr_assets.baselines.gbt import train_gbt

    started = time.monotonic()
    store = Store(params.store_url)
    report.log(f"fitting {params.gbt.max_iter} trees on {', '.join(params.window)}")
    fitted = train_gbt(spark, store, params.day, params.window, params.gbt, params.written_by)
    importances = [(name, f"{value:.4f}") for name, value in fitted.importances.items()]
    report.partition(
        params.day,
        {
            **throughput(fitted.manifest, store, fitted.train_rows, time.monotonic() - started),
            "dagster/row_count": fitted.train_rows,
            "trees": fitted.trees,
            "max_depth": params.gbt.max_depth,
            "base_rate": fitted.manifest.properties["base_rate"],
            "feature_importances": table(("feature", "importance"), importances),
        },
    )
