"""How good models are on the day after their window, over several seeds.

``python -m … STORE wide_deep|logistic|gbt --train-days 9 --seeds 5``
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ctr_assets.baselines.gbt import train_gbt
from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.baselines.logistic import train_logistic
from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.baselines.trees import GbtScorer
from ctr_assets.baselines.weights import LogisticScorer
from ctr_assets.days import shift
from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.scored import ClickScorer, RowsOf, score_rows
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import ENCODED_FEATURES
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.score import Scorer
from ctr_assets.training.train import train
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.training_task import DAY

FORMER = {
    **{"embedding_optimizer": "adam", "embedding_learning_rate": 5e-3, "batch_size": 4096},
    **{"lr_cooldown": 0.0, "fit_intercept": False},
}
"""The default preset before it was ``docs/concepts/defaults.md``'s."""


def quiet(line: str) -> None:
    """Progress goes nowhere: several seeds would tell the same."""


def fit(store: Store, days: list[str], model: str, config: dict[str, Any]) -> Callable[[int], Manifest]:
    """What fits the model of the last of ``days`` by a seed."""
    day = days[-1]
    if model == "wide_deep":
        return lambda seed: (
            train(store, day, days, TrainingConfig(**{"start": "scratch", **config, "seed": seed}), log=quiet).manifest
        )
    if model == "logistic":
        return lambda seed: (
            train_logistic(
                store, day, days, LogisticConfig(**{**config, "seed": seed}), log=quiet, created_by={}
            ).manifest
        )
    spark = start_session(LOCAL_SPARK_CONFIG)
    return lambda seed: train_gbt(spark, store, day, days, GbtConfig(**{**config, "seed": seed}), {}).manifest


LOAD: dict[str, Callable[[Store, Manifest], ClickScorer]] = {
    "wide_deep": Scorer.load,
    "logistic": LogisticScorer.load,
    "gbt": GbtScorer.load,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("model", choices=LOAD)
    parser.add_argument("--train-days", type=int, required=True, help="the first days of the store; the next is scored")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--test", action="store_true", help="score the test rows of the window in place of the next day"
    )
    parser.add_argument("--config", type=json.loads, default={}, help="of the model, as JSON")
    options = parser.parse_args()
    store = Store(str(options.store))
    days = [shift(DAY, n) for n in range(options.train_days)]
    rows_of, scored = (RowsOf.TEST, days) if options.test else (RowsOf.ALL, [shift(days[-1], 1)])
    encoded = [store.manifest(ENCODED_FEATURES, day) for day in scored]
    fitted = fit(store, days, options.model, options.config)
    found: dict[str, list[float]] = {"logloss": [], "roc_auc": [], "calibration_ratio": []}
    began = time.perf_counter()
    for seed in range(options.seeds):
        figures = evaluate(*score_rows(store, encoded, rows_of, LOAD[options.model](store, fitted(seed))))
        for name, values in found.items():
            values.append(getattr(figures, name))
    spread = {f"{name}_sd": statistics.stdev(values) if len(values) > 1 else 0.0 for name, values in found.items()}
    tell(
        seconds=(time.perf_counter() - began) / options.seeds,
        **{name: statistics.mean(values) for name, values in found.items()},
        **spread,
        seeds=found,
    )


if __name__ == "__main__":
    main()
