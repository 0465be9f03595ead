"""Job ``logistic_baseline``: logistic regression on one-hot ids, scikit-learn's, on a window's training rows.

Reported metadata: the figures of every table (``dagster/row_count`` is of the training rows, ``rows_per_second`` of
all passes), ``train_logloss``, ``validation_logloss`` and ``validation_auc`` of the kept pass (the last is left out
where the validation rows are of one class), ``best_pass``, ``passes``, ``weights`` and ``base_rate``.
"""

import time

from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.jobs.parameters import WindowParams
from ctr_assets.jobs.report import Report
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Store


class Params(WindowParams):
    """What the job is told."""

    logistic: LogisticConfig = LogisticConfig()


def run(params: Params, report: Report) -> None:
    """Fit, commit and report the baseline of one day."""
    from ctr_assets.baselines.logistic import train_logistic

    started = time.monotonic()
    store = Store(params.store_url)
    fitted = train_logistic(
        store, params.day, params.window, params.logistic, log=report.log, created_by=params.written_by
    )
    best, properties = fitted.best, fitted.manifest.properties
    report.partition(
        params.day,
        {
            **throughput(fitted.manifest, store, fitted.train_rows, time.monotonic() - started),
            "dagster/row_count": fitted.train_rows,
            "rows_per_second": round(fitted.rows_per_second, 1),
            "train_logloss": best.train_logloss,
            "validation_logloss": best.validation_logloss,
            **({} if best.validation_auc is None else {"validation_auc": best.validation_auc}),
            "best_pass": best.epoch,
            "passes": fitted.passes,
            "weights": fitted.weights,
            "base_rate": properties["base_rate"],
        },
    )
