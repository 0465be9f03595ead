"""AUC and logloss of the true probabilities, in bounded memory: the ceiling for any trained model."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Two rows in one bin count as tied. At 100,000 bins the AUC differs from the exact one by less than 0.00001.
BINS = 100_000


@dataclass
class TruthScore:
    """Sums over impressions from which the figures follow; add parts in a fixed order for equal last digits.

    Attributes:
        rows, clicks: counts.
        clicked, not_clicked: shape (BINS,), impressions by true probability.
        expected_clicked: shape (BINS,), sum of the probabilities.
        loss, expected_loss: summed logloss of the drawn clicks, and its expectation (the entropy), in nats.
    """

    rows: int = 0
    clicks: int = 0
    clicked: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    not_clicked: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    expected_clicked: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    loss: float = 0.0
    expected_loss: float = 0.0

    def add(self, probabilities: NDArray[np.float64], clicks: NDArray[np.bool_]) -> None:
        """Adds n impressions; both arrays have shape (n,), the probabilities lie strictly between 0 and 1."""
        bins = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
        self.rows += len(clicks)
        self.clicks += int(clicks.sum())
        self.clicked += np.bincount(bins[clicks], minlength=BINS)
        self.not_clicked += np.bincount(bins[~clicks], minlength=BINS)
        self.expected_clicked += np.bincount(bins, probabilities, minlength=BINS)
        log_p, log_q = np.log(probabilities), np.log1p(-probabilities)
        self.loss -= float(np.where(clicks, log_p, log_q).sum())
        self.expected_loss -= float((probabilities * log_p + (1 - probabilities) * log_q).sum())

    def merge(self, other: "TruthScore") -> None:
        """Adds another part's sums."""
        self.rows += other.rows
        self.clicks += other.clicks
        self.clicked += other.clicked
        self.not_clicked += other.not_clicked
        self.expected_clicked += other.expected_clicked
        self.loss += other.loss
        self.expected_loss += other.expected_loss

    @property
    def auc(self) -> float:
        """Of the true probabilities against the drawn clicks; NaN without both clicks and non-clicks."""
        return histogram_auc(self.clicked, self.not_clicked)

    @property
    def expected_auc(self) -> float:
        """The same, each row counted as a click by its probability and as none by the rest."""
        return histogram_auc(self.expected_clicked, self.clicked + self.not_clicked - self.expected_clicked)


def histogram_auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Chance that a random positive lies in a higher bin than a random negative, ties counted half.

    Args:
        positive, negative: shape (bins,), weights by ascending score.
    """
    pairs = float(positive.sum()) * float(negative.sum())
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / pairs)
