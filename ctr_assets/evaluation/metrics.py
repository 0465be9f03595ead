"""The figures of one model on one set of rows. Everything comes from one sort of the predictions."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import auc, confusion_matrix_at_thresholds

Labels = npt.NDArray[np.int8]
Probabilities = npt.NDArray[np.float32]

CALIBRATION_BINS: Final = 15
"""Bins of the calibration error, as Guo et al. (2017). Of equal mass, not of equal width: most click probabilities lie
below 0.3, where bins of equal width would put nearly all rows into four of them."""

SMALLEST_PROBABILITY: Final = float(np.finfo(np.float32).eps)
"""Predictions are clipped to [1.2e-7, 1 - 1.2e-7] in the logloss: a float32 may be exactly 0 or 1, and one such row
that is wrong would make the logloss of a day infinite. scikit-learn does the same for float32."""

CURVE_POINTS: Final = 400
"""Points kept of a curve of millions: a picture of 640 pixels shows no more."""

HISTOGRAM_EDGES: Final = np.concatenate([[0.0], np.logspace(-4, 0, 61)])
"""Edges of the score histogram: even in the logarithm, because click probabilities are small."""

_CHUNK_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class Metrics:
    """The figures of a model on a set of rows; None where these rows leave a figure undefined (see ``notes``)."""

    rows: int
    clicks: int
    roc_auc: float | None
    """Area under the ROC curve, ties counted half."""
    logloss: float | None
    """Mean negative log-likelihood, in nats per row."""
    normalized_entropy: float | None
    """Logloss over the entropy of these rows' click-through rate: 1 is what the rate alone achieves, less is better.
    He et al., "Practical lessons from predicting clicks on ads at Facebook" (ADKDD 2014)."""
    pr_auc: float | None
    """Average precision: area under the precision-recall curve, without interpolation."""
    calibration_ratio: float | None
    """Mean prediction over click-through rate: 1.1 promises 10 % more clicks than came. Same paper."""
    expected_calibration_error: float | None
    """Mean distance, weighted by rows, of mean prediction and click-through rate over 15 bins of equal mass.
    Guo et al., "On calibration of modern neural networks" (ICML 2017)."""
    notes: tuple[str, ...] = ()
    """Why a figure is None."""

    def numbers(self) -> dict[str, int | float]:
        """The figures that are defined, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "notes"}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Assessment:
    """The metrics of a model together with what its pictures show, at most a few hundred points each.

    ``roc`` has columns false positive rate and true positive rate, ``precision_recall`` recall and precision; both are
    None when the rows hold one class only. ``reliability`` has columns mean prediction, click-through rate and rows of
    each calibration bin. ``histogram`` counts rows between ``HISTOGRAM_EDGES``.
    """

    metrics: Metrics
    roc: npt.NDArray[np.float64] | None
    precision_recall: npt.NDArray[np.float64] | None
    reliability: npt.NDArray[np.float64]
    histogram: npt.NDArray[np.int64]


def evaluate(labels: Labels, probabilities: Probabilities) -> Metrics:
    """The metrics of predictions; both arguments have shape ``(n,)``. Raises ValueError on what is no probability."""
    return assess(labels, probabilities).metrics


def assess(labels: Labels, probabilities: Probabilities) -> Assessment:
    """As :func:`evaluate`, with the points of the pictures. Needs about 70 bytes of memory a row."""
    if labels.shape != probabilities.shape or labels.ndim != 1:
        raise ValueError(f"labels and predictions differ in shape: {labels.shape} and {probabilities.shape}")
    bad = int(np.count_nonzero(~((probabilities >= 0) & (probabilities <= 1))))
    if bad:
        raise ValueError(f"{bad:,} of {len(probabilities):,} predictions are not in [0, 1] (or are NaN): train again")
    histogram = np.histogram(probabilities, HISTOGRAM_EDGES)[0]
    rows, clicks = len(labels), int(labels.sum(dtype=np.int64))
    if not rows:
        nothing = Metrics(0, 0, None, None, None, None, None, None, ("no rows: nothing is defined",))
        return Assessment(nothing, None, None, np.zeros((0, 3)), histogram)
    click_through_rate = clicks / rows
    logloss = _logloss(labels, probabilities)
    reliability = reliability_bins(labels, probabilities)
    calibration_error = float(np.abs(reliability[:, 0] - reliability[:, 1]) @ reliability[:, 2]) / rows
    mean_prediction = float(probabilities.mean(dtype=np.float64))
    calibration_ratio = mean_prediction / click_through_rate if clicks else None
    if clicks in (0, rows):
        missing = ["roc_auc", "normalized_entropy", "pr_auc", *(["calibration_ratio"] if not clicks else [])]
        note = f"{'no' if not clicks else 'every'} row was clicked: {', '.join(missing)} are not defined"
        one_class = Metrics(rows, clicks, None, logloss, None, None, calibration_ratio, calibration_error, (note,))
        return Assessment(one_class, None, None, reliability, histogram)
    _, false_positives, _, true_positives, _ = confusion_matrix_at_thresholds(labels, probabilities)
    recall = true_positives / clicks
    false_positive_rate = np.concatenate([[0.0], false_positives / (rows - clicks)])
    precision = true_positives / (true_positives + false_positives)
    metrics = Metrics(
        rows=rows,
        clicks=clicks,
        roc_auc=float(auc(false_positive_rate, np.concatenate([[0.0], recall]))),
        logloss=logloss,
        normalized_entropy=logloss / entropy(click_through_rate),
        pr_auc=float(np.diff(recall, prepend=0.0) @ precision),
        calibration_ratio=calibration_ratio,
        expected_calibration_error=calibration_error,
    )
    roc = _thinned(false_positive_rate, np.concatenate([[0.0], recall]))
    return Assessment(metrics, roc, _thinned(recall, precision), reliability, histogram)


def entropy(rate: float) -> float:
    """Entropy of a click with probability ``rate`` strictly between 0 and 1, in nats."""
    return float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))


def reliability_bins(
    labels: Labels, probabilities: Probabilities, bins: int = CALIBRATION_BINS
) -> npt.NDArray[np.float64]:
    """Mean prediction, click-through rate and rows of each bin of equal mass, shape ``(at most bins, 3)``.

    Equal predictions always share a bin, so the order of the rows does not matter and a constant prediction has one
    bin. Needs at least one row.
    """
    rows = len(labels)
    inner = np.arange(1, bins) * rows // bins
    edges = np.unique(np.partition(probabilities, inner)[inner])
    index = np.searchsorted(edges, probabilities, side="right")
    counts = np.bincount(index, minlength=len(edges) + 1)
    predicted = np.bincount(index, weights=probabilities, minlength=len(edges) + 1)
    clicked = np.bincount(index, weights=labels, minlength=len(edges) + 1)
    filled = counts > 0
    return np.stack([predicted[filled] / counts[filled], clicked[filled] / counts[filled], counts[filled]], axis=1)


def logloss_of_rows(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Negative log-likelihood of each row in nats, shape ``(n,)``: the logloss is its mean."""
    # In float64: at 12 million rows a float32 sum is wrong in the 7th digit, where champions are decided.
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -np.log(np.where(labels, clipped, 1 - clipped))


def _logloss(labels: Labels, probabilities: Probabilities) -> float:
    chunks = [slice(start, start + _CHUNK_ROWS) for start in range(0, len(labels), _CHUNK_ROWS)]
    return sum(float(logloss_of_rows(labels[chunk], probabilities[chunk]).sum()) for chunk in chunks) / len(labels)


def _thinned(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At most ``CURVE_POINTS`` points evenly along the ascending ``x``, first and last included, shape ``(m, 2)``."""
    wanted = np.searchsorted(x, np.linspace(x[0], x[-1], CURVE_POINTS))
    kept = np.unique(np.concatenate([[0], np.minimum(wanted, len(x) - 1), [len(x) - 1]]))
    return np.stack([x[kept], y[kept]], axis=1)
