"""The logistic baseline: fits a weight for every id on a window's training rows, in passes of bounded memory.

In memory are the rows of one shuffle buffer (60 MiB), a few batches (20 MiB each) and some copies of the weights
(8 bytes an id each), however many rows there are.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import sklearn
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier
from tqdm import tqdm

from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.baselines.one_hot import OneHot
from ctr_assets.baselines.publish import card_of, publish
from ctr_assets.baselines.weights import WEIGHTS_NAME, Weights, to_bytes
from ctr_assets.features import FEATURES, Split
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.prefetch import prefetched
from ctr_assets.tables import LOGISTIC_BASELINE
from ctr_assets.training.loader import Loader
from ctr_assets.training.metrics import StreamingMetrics
from ctr_assets.training.rowgroups import Matrix, find_row_groups
from ctr_assets.training.window import Window, resolve_window

BATCH_ROWS: Final = 65_536
BUFFER_ROWS: Final = 524_288
BATCHES_AHEAD: Final = 2


@dataclass(frozen=True)
class Pass:
    """How the kept pass went. Loglosses are nats a row; ``train_logloss`` is of each batch as it was met."""

    epoch: int
    train_logloss: float
    validation_logloss: float
    validation_auc: float | None


@dataclass(frozen=True)
class FittedLogistic:
    """A committed baseline and how it came about."""

    manifest: Manifest
    train_rows: int
    best: Pass
    passes: int
    weights: int
    rows_per_second: float
    """Training rows a second over all passes, validation left out."""


def train_logistic(
    store: Store,
    day: str,
    days: Sequence[str],
    config: LogisticConfig,
    *,
    log: Callable[[str], None],
    created_by: Mapping[str, str],
) -> FittedLogistic:
    """Fit the baseline of ``day`` on the training rows of the window ``days`` and commit it.

    Keeps the pass of least validation logloss. The same rows and settings give the same bytes. Raises WindowError, or
    ValueError when rows of one class are missing or there is none to validate by; then nothing is committed.
    """
    started = time.monotonic()
    window = resolve_window(store, day, days)
    one_hot = OneHot({feature.name: int(window.vocabulary.properties["sizes"][feature.name]) for feature in FEATURES})
    training = _loader(store, window, Split.TRAIN, config.seed)
    validation = _loader(store, window, Split.VALIDATION, config.seed)
    classifier = _Classifier(one_hot, config, training.total_rows)
    seconds, least = 0.0, np.inf
    for epoch in range(1, config.epochs + 1):
        began = time.monotonic()
        met = classifier.learn(training, epoch)
        seconds += time.monotonic() - began
        rows_per_second = training.total_rows * epoch / seconds
        held_out = classifier.evaluate(validation)
        log(
            f"pass {epoch}: train logloss {met.logloss:.5f}, validation logloss {held_out.logloss:.5f}, "
            f"{rows_per_second:,.0f} rows/s"
        )
        if held_out.logloss < least:
            best, weights = Pass(epoch, met.logloss, held_out.logloss, held_out.auc), classifier.weights()
        if held_out.logloss >= least - config.tolerance:
            break
        least = held_out.logloss
    card = {
        **card_of(window, training.total_rows, int(met.counts[1].sum())),
        "config": config.model_dump(),
        "metrics": {"passes": epoch, **asdict(best)},
        "features": list(one_hot.features),
        "weights": one_hot.columns + 1,
        "sklearn_version": sklearn.__version__,
    }
    content = to_bytes(*weights)
    manifest = publish(store, LOGISTIC_BASELINE, window, (WEIGHTS_NAME, content), card, started, created_by)
    return FittedLogistic(manifest, training.total_rows, best, epoch, one_hot.columns + 1, rows_per_second)


def _loader(store: Store, window: Window, split: Split, seed: int) -> Loader:
    groups = find_row_groups(store, window.encoded, split)
    if not groups:
        raise ValueError(
            f"the window {', '.join(window.days)} has no {split.value} rows: lengthen it or add days with labels"
        )
    shuffle = split is Split.TRAIN
    columns = [*(feature.name for feature in FEATURES), "label"]
    buffer_rows = BUFFER_ROWS if shuffle else 1
    return Loader(store, groups, columns, batch_rows=BATCH_ROWS, buffer_rows=buffer_rows, seed=seed, shuffle=shuffle)


class _Classifier:
    """scikit-learn's classifier over batches of encoded rows, whose last column is the label."""

    def __init__(self, one_hot: OneHot, config: LogisticConfig, rows: int) -> None:
        self.one_hot = one_hot
        self.model = SGDClassifier(
            loss="log_loss",
            alpha=1 / (config.prior_variance * rows),
            learning_rate="constant",
            eta0=config.learning_rate,
            # From the middle of the first pass on: before it the weights come from nothing.
            average=max(1, rows // 2),
            shuffle=False,  # the loader did
        )

    def learn(self, loader: Loader, epoch: int) -> StreamingMetrics:
        """One pass; returns how each batch was predicted before it was learnt from."""
        met = StreamingMetrics()
        with tqdm(total=loader.total_rows, desc=f"pass {epoch}", unit="row", unit_scale=True, disable=None) as bar:
            for rows, labels in self._batches(loader, epoch):
                met.update(self._logits(rows), labels)
                self.model.partial_fit(rows, labels, classes=(0, 1))
                bar.update(len(labels))
        return met

    def evaluate(self, loader: Loader) -> StreamingMetrics:
        metrics = StreamingMetrics()
        for rows, labels in self._batches(loader, 0):
            metrics.update(self._logits(rows), labels)
        return metrics

    def weights(self) -> tuple[Weights, float]:
        """Of each feature's ids, and the intercept."""
        of_features = np.split(self.model.coef_[0].astype(np.float32), self.one_hot.ends[:-1])
        return dict(zip(self.one_hot.features, of_features, strict=True)), float(self.model.intercept_[0])

    def _logits(self, rows: csr_matrix) -> Any:
        return self.model.decision_function(rows) if hasattr(self.model, "coef_") else np.zeros(rows.shape[0])

    def _batches(self, loader: Loader, epoch: int) -> Iterator[tuple[csr_matrix, Any]]:
        def split(batch: Matrix) -> tuple[csr_matrix, Any]:
            return self.one_hot.matrix(batch[:, :-1]), batch[:, -1]

        with closing(prefetched(map(split, loader.epoch(epoch)), BATCHES_AHEAD)) as batches:
            yield from batches
