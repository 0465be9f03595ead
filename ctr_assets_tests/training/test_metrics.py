import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.training.metrics import StreamingMetrics


def test_streamed_metrics_equal_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-1.5, 1.5, 50_000).astype(np.float32)
    labels = (rng.random(50_000) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    metrics = StreamingMetrics()
    for part in np.array_split(np.arange(50_000), 7):
        metrics.update(logits[part], labels[part])
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert metrics.rows == 50_000
    assert metrics.logloss == pytest.approx(log_loss(labels, probability), rel=1e-9)
    assert metrics.auc == pytest.approx(roc_auc_score(labels, probability), abs=2e-5)


def test_ties_count_half() -> None:
    metrics = StreamingMetrics()
    metrics.update(np.zeros(4, dtype=np.float32), np.array([0, 1, 0, 1], dtype=np.float32))
    assert metrics.auc == 0.5


def test_one_label_alone_has_no_auc() -> None:
    metrics = StreamingMetrics()
    metrics.update(np.zeros(3, dtype=np.float32), np.zeros(3, dtype=np.float32))
    assert metrics.auc is None


def test_extreme_logits_stay_finite() -> None:
    metrics = StreamingMetrics()
    metrics.update(np.array([500.0, -500.0], dtype=np.float32), np.array([1, 0], dtype=np.float32))
    assert metrics.logloss == pytest.approx(0, abs=1e-12)
    assert metrics.auc == 1
