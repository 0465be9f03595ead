from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from ctr_assets.evaluation.metrics import CALIBRATION_BINS, CURVE_POINTS, assess, evaluate, reliability_bins


def _rows(n: int, seed: int, decimals: int = 7):
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.beta(1, 4, n), decimals).astype(np.float32)
    return (rng.random(n) < probabilities).astype(np.int8), probabilities


def test_figures_are_those_computed_by_hand():
    metrics = evaluate(np.array([1, 0, 1, 0], np.int8), np.array([0.8, 0.6, 0.4, 0.2], np.float32))
    assert (metrics.rows, metrics.clicks, metrics.notes) == (4, 2, ())
    assert metrics.roc_auc == pytest.approx(3 / 4)
    logloss = -(log(0.8) + log(0.4) + log(0.4) + log(0.8)) / 4
    assert metrics.logloss == pytest.approx(logloss)
    assert metrics.normalized_entropy == pytest.approx(logloss / log(2))
    assert metrics.pr_auc == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert metrics.calibration_ratio == pytest.approx(1.0)
    assert metrics.expected_calibration_error == pytest.approx((0.2 + 0.6 + 0.6 + 0.2) / 4)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 400), seed=st.integers(0, 10**6), decimals=st.sampled_from([1, 2, 7]))
def test_figures_agree_with_scikit_learn_with_and_without_ties(n: int, seed: int, decimals: int):
    labels, probabilities = _rows(n, seed, decimals)
    labels[:2] = 0, 1
    metrics = evaluate(labels, probabilities)
    clipped = np.clip(probabilities.astype(np.float64), np.finfo(np.float32).eps, 1 - np.finfo(np.float32).eps)
    assert metrics.roc_auc == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-12)
    assert metrics.pr_auc == pytest.approx(average_precision_score(labels, probabilities), abs=1e-12)
    assert metrics.logloss == pytest.approx(log_loss(labels, clipped), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 10**6), decimals=st.sampled_from([1, 3]))
def test_order_of_the_rows_does_not_matter(n: int, seed: int, decimals: int):
    labels, probabilities = _rows(n, seed, decimals)
    order = np.random.default_rng(seed).permutation(n)
    first, second = evaluate(labels, probabilities), evaluate(labels[order], probabilities[order])
    assert second.numbers() == pytest.approx(first.numbers(), rel=1e-9, abs=1e-12)


def test_the_rate_of_the_rows_as_a_constant_prediction_knows_nothing_and_is_calibrated():
    labels = np.array([1, 0, 0, 0] * 500, np.int8)
    metrics = evaluate(labels, np.full(2000, 0.25, np.float32))
    assert metrics.roc_auc == 0.5
    assert metrics.pr_auc == pytest.approx(0.25)
    assert metrics.normalized_entropy == pytest.approx(1.0)
    assert metrics.calibration_ratio == pytest.approx(1.0)
    assert metrics.expected_calibration_error == pytest.approx(0.0, abs=1e-12)


def test_promising_twice_the_clicks_is_a_calibration_ratio_of_two():
    labels = np.array([1, 0, 0, 0, 0] * 100, np.int8)
    metrics = evaluate(labels, np.full(500, 0.4, np.float32))
    assert metrics.calibration_ratio == pytest.approx(2.0)
    assert metrics.expected_calibration_error == pytest.approx(0.2)


def test_more_than_one_chunk_of_rows_gives_the_logloss_of_all():
    labels, probabilities = _rows(1_000_003, 1)
    probabilities = np.clip(probabilities, 1e-5, 1 - 1e-5).astype(np.float32)
    assert evaluate(labels, probabilities).logloss == pytest.approx(
        log_loss(labels, probabilities.astype(np.float64)), rel=1e-12
    )


def test_a_certain_and_wrong_prediction_costs_much_but_not_infinity():
    metrics = evaluate(np.array([1, 0], np.int8), np.array([0.0, 1.0], np.float32))
    assert metrics.logloss == pytest.approx(-log(np.finfo(np.float32).eps))


@pytest.mark.parametrize(("label", "undefined"), [(0, {"calibration_ratio"}), (1, set())])
def test_rows_of_one_class_leave_ranking_undefined_and_say_so(label: int, undefined: set[str]):
    metrics = evaluate(np.full(10, label, np.int8), np.linspace(0.1, 0.9, 10, dtype=np.float32))
    expected = {"roc_auc", "normalized_entropy", "pr_auc", *undefined}
    assert {name for name in expected if getattr(metrics, name) is None} == expected
    assert set(metrics.numbers()) == {*metrics.__dataclass_fields__, "notes"} - expected - {"notes"}
    assert all(name in metrics.notes[0] for name in expected)
    assert metrics.logloss is not None


def test_no_rows_leave_everything_undefined():
    metrics = evaluate(np.zeros(0, np.int8), np.zeros(0, np.float32))
    assert metrics.numbers() == {"rows": 0, "clicks": 0}
    assert metrics.notes


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1])
def test_what_is_no_probability_is_refused_with_its_count(value: float):
    with pytest.raises(ValueError, match="1 of 3 predictions"):
        evaluate(np.array([0, 1, 0], np.int8), np.array([0.5, value, 0.5], np.float32))


def test_bins_have_equal_mass_and_hold_every_row():
    labels, probabilities = _rows(30_000, 2)
    bins = reliability_bins(labels, probabilities)
    assert len(bins) == CALIBRATION_BINS
    assert bins[:, 2] == pytest.approx(np.full(CALIBRATION_BINS, 2000), abs=5)
    assert bins[:, 2].sum() == 30_000
    assert (bins[:, 1] * bins[:, 2]).sum() == pytest.approx(labels.sum())


def test_curves_are_thinned_but_keep_their_ends_and_area():
    labels, probabilities = _rows(100_000, 3)
    assessment = assess(labels, probabilities)
    assert assessment.roc is not None
    assert len(assessment.roc) <= CURVE_POINTS + 2
    assert assessment.roc[0].tolist() == [0, 0]
    assert assessment.roc[-1].tolist() == [1, 1]
    assert np.trapezoid(assessment.roc[:, 1], assessment.roc[:, 0]) == pytest.approx(
        assessment.metrics.roc_auc, abs=1e-3
    )
    assert assessment.histogram.sum() == 100_000
