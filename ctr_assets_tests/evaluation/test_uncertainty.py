"""A stated standard error is the spread of its figure over many samples of rows."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.uncertainty import auc_error, logloss_error, ratio_error, row_loglosses


def sample(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of click probabilities like a model's, and these."""
    probabilities = (1 / (1 + np.exp(1.8 - rng.normal(0, 1, rows)))).astype(np.float32)
    return (rng.random(rows) < probabilities).astype(np.int8), probabilities


def test_the_losses_of_the_rows_are_scikit_learns():
    labels, probabilities = sample(np.random.default_rng(0), 500)
    losses = row_loglosses(labels, probabilities)
    assert losses.mean() == pytest.approx(log_loss(labels, probabilities.astype(float)), rel=1e-9)
    assert np.isfinite(row_loglosses(np.array([0, 1], np.int8), np.array([1, 0], np.float32))).all()


def test_an_error_is_the_spread_over_samples():
    rng = np.random.default_rng(1)
    found, stated = [], []
    for _ in range(400):
        labels, probabilities = sample(rng, 800)
        metrics = evaluate(labels, probabilities)
        figures = metrics.numbers()
        found.append([metrics.logloss, metrics.roc_auc, metrics.calibration_ratio])
        stated.append([logloss_error(labels, probabilities), auc_error(figures), ratio_error(figures)])
    spread, errors = np.array(found).std(axis=0, ddof=1), np.array(stated).mean(axis=0)
    assert errors[0] == pytest.approx(spread[0], rel=0.1)
    # Both know less than they could of the scores: exponential ones, and none at all.
    assert errors[1] == pytest.approx(spread[1], rel=0.15)
    assert spread[2] * 0.95 < errors[2] < spread[2] * 1.5


def test_what_is_not_known_has_no_error():
    assert logloss_error(np.zeros(1, np.int8), np.zeros(1, np.float32)) is None
    assert auc_error({"roc_auc": None, "rows": 5, "clicks": 0}) is None
    assert auc_error({"roc_auc": 0.7}) is None
    assert auc_error({"roc_auc": 1.0, "rows": 5, "clicks": 2}) == 0
    assert ratio_error({"calibration_ratio": None, "clicks": 0}) is None
