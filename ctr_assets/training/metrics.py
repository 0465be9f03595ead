"""Logloss and AUC of a stream of predictions in constant memory, summable over ranks. Not the published metrics."""

import numpy as np
import numpy.typing as npt

_BINS = 1 << 17
"""Bins of predicted probability: scores this close (8e-6) count as ties, so AUC is exact to about 1e-5."""


class StreamingMetrics:
    """Counts of labels by predicted probability, and the summed logloss."""

    def __init__(self) -> None:
        self.counts = np.zeros((2, _BINS))
        self.loss_sum = 0.0

    def update(self, logits: npt.NDArray[np.floating], labels: npt.NDArray[np.float32]) -> None:
        """Add predictions; both have shape ``(n,)``."""
        z = logits.astype(np.float64)
        self.loss_sum += float(np.sum(np.maximum(z, 0) - z * labels + np.log1p(np.exp(-np.abs(z)))))
        probability = 1 / (1 + np.exp(-np.clip(z, -60, 60)))
        bins = np.nan_to_num(probability * (_BINS - 1)).astype(np.int64)
        for label in (0, 1):
            self.counts[label] += np.bincount(bins[labels == label], minlength=_BINS)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def logloss(self) -> float:
        """Mean logloss in nats a row."""
        return self.loss_sum / self.rows

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve, ties counted half; None when only one label was seen."""
        negatives, positives = self.counts
        pairs = negatives.sum() * positives.sum()
        if not pairs:
            return None
        below = np.cumsum(negatives) - negatives
        return float((positives * (below + negatives / 2)).sum() / pairs)
