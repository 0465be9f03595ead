"""Entry points of the heavy jobs: ``python -m ctr_assets.jobs NAME --params JSON``, on a laptop as on a cluster.

One module a job. Each defines ``Params`` (pydantic: what the job is told) and ``run`` (what it does and reports), and
says by ``ENGINE`` whether it needs a Spark session. The only folder that imports ``dagster_pipes``.
"""

from typing import Final

SPARK_JOBS: Final = (
    "raw_impressions",
    "impression_profile",
    "feature_vocabulary",
    "encoded_features",
    "gbt_baseline",
)
"""Jobs whose ``run`` takes ``(params, report, spark)``."""

PYTORCH_JOBS: Final = (
    "wide_deep_model",
    "logistic_baseline",
    "evaluation_metrics",
    "evaluation_report",
    "champion_model",
    "champion_validation",
    "serving_model",
    "click_predictions",
)
"""Jobs whose ``run`` takes ``(params, report)``."""

DISTRIBUTED_JOBS: Final = ("wide_deep_model",)
"""PyTorch jobs that share their work among ranks. Of any other, rank 0 does all and the other ranks nothing."""
