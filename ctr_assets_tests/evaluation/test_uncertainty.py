"""Standard errors hold where rows come in clusters: coverage over simulated days, with fixed seeds."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ctr_assets.evaluation.metrics import evaluate, logloss_of_rows
from ctr_assets.evaluation.scored import RowsOf
from ctr_assets.evaluation.uncertainty import (
    Clusters,
    auc_of_rows,
    compare,
    estimate,
    make_clusters,
    read_clusters,
    standard_errors,
)
from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_FEATURES
from ctr_assets_tests.encoded_days import write_days

HOURS, DEVICES, ROWS, DAYS = 24, 600, 3_000, 300


def draw_day(rng, of_hours, of_devices):
    """Values of mean 0 that share a part with their hour and one with their device, and the clusters."""
    clusters = Clusters(rng.integers(0, HOURS, ROWS), rng.integers(0, DEVICES, ROWS))
    values = of_hours * rng.standard_normal(HOURS)[clusters.hours]
    values += of_devices * rng.standard_normal(DEVICES)[clusters.devices]
    return values + rng.standard_normal(ROWS), clusters


def standard_error(values, clusters) -> float:
    found = estimate(values, clusters).standard_error
    assert found is not None
    return found


@pytest.mark.parametrize(("of_hours", "of_devices"), [(0, 0), (0.3, 0), (0, 1), (0.3, 1)])
def test_two_standard_errors_hold_the_truth_19_times_in_20_whatever_the_rows_share(of_hours, of_devices):
    rng = np.random.default_rng(1)
    covered, naive = 0, 0
    for _ in range(DAYS):
        values, clusters = draw_day(rng, of_hours, of_devices)
        covered += abs(values.mean()) < 1.96 * standard_error(values, clusters)
        naive += abs(values.mean()) < 1.96 * values.std() / np.sqrt(ROWS)
    assert 0.92 <= covered / DAYS <= 0.98
    if of_hours or of_devices:
        assert naive / DAYS < 0.85  # What rows taken as independent would have promised.


def test_rows_of_one_hour_or_of_one_device_tell_no_standard_error():
    values, some = np.arange(6.0), np.array([0, 0, 1, 1, 2, 2])
    for clusters in (Clusters(np.zeros(6, int), some), Clusters(some, np.zeros(6, int))):
        found = estimate(values, clusters)
        assert (found.value, found.standard_error) == (2.5, None)
    assert estimate(np.zeros(1), Clusters(np.zeros(1, int), np.zeros(1, int))).standard_error is None


def test_equal_models_differ_by_nothing():
    clusters = Clusters(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
    labels, scores = np.array([0, 1, 0, 1], np.int8), np.array([0.1, 0.9, 0.2, 0.4], np.float32)
    comparison = compare(labels, scores, scores, clusters, "rows")
    assert (comparison.difference, comparison.standard_error) == (0, 0)
    assert not comparison.is_better
    assert not comparison.is_worse(0)


def test_an_unknown_device_is_one_of_its_own():
    clusters = make_clusters(np.zeros(5, np.int64), np.array([0, 3, 0, 3, 7]))
    assert clusters.devices[1] == clusters.devices[3]
    assert len(set(clusters.devices)) == 4


def test_the_paired_difference_is_surer_than_either_logloss():
    rng = np.random.default_rng(2)
    clusters = Clusters(rng.integers(0, HOURS, ROWS), rng.integers(0, DEVICES, ROWS))
    truth = 1 / (1 + np.exp(1.6 - rng.standard_normal(ROWS)))
    labels = (rng.random(ROWS) < truth).astype(np.int8)
    model = np.clip(truth + 0.02 * rng.standard_normal(ROWS), 0.01, 0.99).astype(np.float32)
    comparison = compare(labels, model, truth.astype(np.float32), clusters, "rows")
    of_one = standard_error(logloss_of_rows(labels, model), clusters)
    assert comparison.candidate == evaluate(labels, model).logloss
    assert comparison.difference == pytest.approx(comparison.candidate - comparison.champion)
    assert (comparison.rows, comparison.clicks) == (ROWS, labels.sum())
    assert comparison.standard_error is not None
    assert comparison.standard_error < of_one / 5


def test_a_roc_auc_and_its_standard_error_are_those_of_many_draws():
    rng, found = np.random.default_rng(3), []
    for _ in range(DAYS):
        labels = (rng.random(ROWS) < 0.2).astype(np.int8)
        # Coarse: many rows are tied.
        scores = np.round(np.clip(0.3 + 0.1 * labels + 0.15 * rng.standard_normal(ROWS), 0, 1), 1).astype(np.float32)
        clusters = Clusters(rng.integers(0, HOURS, ROWS), np.arange(ROWS))
        placements = auc_of_rows(labels, scores)
        assert placements is not None
        assert placements.mean() == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        found.append((placements.mean(), standard_error(placements, clusters)))
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_class_have_no_roc_auc(label):
    assert auc_of_rows(np.full(4, label, np.int8), np.array([0.1, 0.2, 0.3, 0.4], np.float32)) is None


def test_hours_of_two_days_are_two_clusters_and_a_device_of_two_days_is_one(tmp_path):
    store, days = Store(str(tmp_path)), ["2014-10-21", "2014-10-22"]
    write_days(store, days, rows_per_day=400)
    of_each = [read_clusters(store, [store.manifest(ENCODED_FEATURES, day)], RowsOf.ALL) for day in days]
    of_both = read_clusters(store, [store.manifest(ENCODED_FEATURES, day) for day in days], RowsOf.ALL)
    first = len(of_each[0].hours)
    assert set(of_both.hours[:first]).isdisjoint(of_both.hours[first:])
    assert len(set(of_both.hours)) == sum(len(set(each.hours)) for each in of_each)
    assert set(of_both.devices[:first]) & set(of_both.devices[first:])


def test_the_errors_of_a_models_figures_are_their_spread():
    """Rows without clusters but the hour: each device is met once."""
    rng = np.random.default_rng(5)
    found, stated = [], []
    for _ in range(300):
        probabilities = (1 / (1 + np.exp(1.8 - rng.normal(0, 1, 800)))).astype(np.float32)
        labels = (rng.random(800) < probabilities).astype(np.int8)
        metrics = evaluate(labels, probabilities)
        found.append([metrics.logloss, metrics.roc_auc, metrics.calibration_ratio])
        errors = standard_errors(labels, probabilities, Clusters(np.arange(800), np.arange(800)))
        stated.append([errors[f"{name}_standard_error"] for name in ("logloss", "roc_auc", "calibration_ratio")])
    assert np.array(stated).mean(axis=0) == pytest.approx(np.array(found).std(axis=0, ddof=1), rel=0.12)


def test_what_is_undefined_has_no_error():
    nothing = np.zeros(0, np.int64)
    assert standard_errors(np.zeros(0, np.int8), np.zeros(0, np.float32), Clusters(nothing, nothing)) == {}
    three = np.arange(3)
    errors = standard_errors(np.zeros(3, np.int8), np.full(3, 0.2, np.float32), Clusters(three, three))
    assert list(errors) == ["logloss_standard_error"]
