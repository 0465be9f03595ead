import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss

from ctr_assets.evaluation.importance import (
    SAMPLE_ROWS,
    Importance,
    permutation_importances,
    sample_rows,
    standard_error,
)
from ctr_assets.evaluation.scored import SCORING_COLUMNS, RowsOf
from ctr_assets.features import FEATURES
from ctr_assets.tables import ENCODED_FEATURES, WIDE_DEEP_MODEL
from ctr_assets.training.score import Scorer
from ctr_assets_tests.evaluation.conftest import DAYS, Evaluated, window_of

NAMES = ["C1", "C14", "C15", "C16"]


class Logistic:
    """Adds up a weight for each id of two features, and one for each pair of them; reads nothing else."""

    def __init__(self, first: np.ndarray, second: np.ndarray, pair: np.ndarray) -> None:
        self.first, self.second, self.pair = first, second, pair

    def predict(self, table: pa.Table) -> np.ndarray:
        a, b = table["C1"].to_numpy(), table["C14"].to_numpy()
        return (1 / (1 + np.exp(2 - self.first[a] - self.second[b] - self.pair[a, b]))).astype(np.float32)


class Forest:
    """A scikit-learn classifier of the four features, as scikit-learn's own function would call it."""

    def __init__(self, rows: pa.Table) -> None:
        self.classifier = RandomForestClassifier(20, max_depth=4, random_state=0)
        self.classifier.fit(matrix(rows), rows["label"].to_numpy())

    def predict(self, table: pa.Table) -> np.ndarray:
        return self.classifier.predict_proba(matrix(table))[:, 1].astype(np.float32)


def matrix(rows: pa.Table) -> np.ndarray:
    return np.stack([rows[name].to_numpy() for name in NAMES], axis=1)


def impressions(rng: np.random.Generator, rows: int, scorer: Logistic | None = None) -> pa.Table:
    """Rows of four features: C15 is C1 for the most part and C16 is constant. Clicked as the scorer says."""
    first, second = rng.zipf(1.6, rows) % 6, rng.zipf(1.4, rows) % 40
    twin = np.where(rng.random(rows) < 0.9, first, 0)
    columns = dict(zip(NAMES, (first, second, twin, np.full(rows, 3)), strict=True))
    table = pa.table({name: pa.array(ids, pa.int32()) for name, ids in columns.items()})
    rate = np.full(rows, 0.2) if scorer is None else scorer.predict(table)
    return table.append_column("label", pa.array(rng.random(rows) < rate).cast(pa.int8()))


def truth(seed: int = 5) -> Logistic:
    rng = np.random.default_rng(seed)
    return Logistic(rng.normal(0, 1, 6), rng.normal(0, 0.7, 40), rng.normal(0, 1, (6, 40)))


def by_feature(importances: list[Importance]) -> dict[str, Importance]:
    return {each.feature: each for each in importances}


def test_it_agrees_with_scikit_learn():
    rows = impressions(np.random.default_rng(0), 600, truth())
    forest, repeats = Forest(rows), 100
    ours = by_feature(permutation_importances(forest, rows, NAMES, repeats))
    reference = permutation_importance(
        forest.classifier,
        matrix(rows),
        rows["label"].to_numpy(),
        scoring="neg_log_loss",
        n_repeats=repeats,
        random_state=1,
    )
    # Both know the rows; only the shuffles differ.
    allowed = 4 * np.sqrt(2) * reference.importances_std / np.sqrt(repeats) + 1e-7
    assert np.all(np.abs([ours[name].increase for name in NAMES] - reference.importances_mean) <= allowed)
    assert reference.importances_mean.max() > 0.02


def test_it_is_the_mean_over_all_pairs_of_rows():
    """Fisher et al. (2019), section 3, with the pairs of a row and itself: what a shuffle is on average."""
    rows, scorer = impressions(np.random.default_rng(1), 120, truth()), truth()
    labels, base = rows["label"].to_numpy(), scorer.predict(rows)
    switched = [
        log_loss(labels, scorer.predict(rows.set_column(1, "C14", pa.array(np.full(120, lent), pa.int32()))))
        for lent in rows["C14"].to_numpy()
    ]
    (found,) = permutation_importances(scorer, rows, ["C14"], repeats=2000)
    assert found.increase == pytest.approx(np.mean(switched) - log_loss(labels, base), rel=0.02)


def test_a_feature_that_the_model_does_not_read_or_that_is_constant_has_none():
    scorer = truth()
    found = by_feature(permutation_importances(scorer, impressions(np.random.default_rng(2), 2000, scorer), NAMES))
    assert found["C15"] == Importance("C15", 0.0, 0.0)
    assert found["C16"] == Importance("C16", 0.0, 0.0)
    assert found["C14"].increase > 5 * found["C14"].standard_error > 0


def test_the_same_rows_have_the_same_importances_in_any_order_of_the_features():
    scorer = truth()
    rows = impressions(np.random.default_rng(3), 1000, scorer)
    once = permutation_importances(scorer, rows, NAMES)
    assert permutation_importances(scorer, rows, NAMES[::-1]) == once
    assert [each.increase for each in once] == sorted((each.increase for each in once), reverse=True)
    assert permutation_importances(scorer, rows, NAMES, seed=1) != once


# The pair's weights are where the shuffle matters, a rare id of great weight is where the row that lends does.
@pytest.mark.parametrize("kind", ["additive", "pairs", "rare"])
def test_the_standard_error_is_the_spread_over_samples_and_shuffles(kind: str):
    rng = np.random.default_rng(7)
    pair = rng.normal(0, 3 if kind == "pairs" else 0, (6, 40))
    second = np.where(np.arange(40) == 39, 8.0, 0.0) if kind == "rare" else rng.normal(0, 0.7, 40)
    scorer = Logistic(rng.normal(0, 1, 6), second, pair)
    samples = [
        permutation_importances(scorer, impressions(rng, 400, scorer), ["C14"], repeats=3, seed=seed)[0]
        for seed in range(400)
    ]
    increases = np.array([each.increase for each in samples])
    stated = np.array([each.standard_error for each in samples])
    assert np.sqrt(np.mean(stated**2)) == pytest.approx(increases.std(ddof=1), rel=0.12)
    covered = np.abs(increases - increases.mean()) < 1.96 * stated
    assert 0.9 < covered.mean() < 0.985 or kind == "rare"


def test_a_spread_that_rows_cancel_out_is_not_negative():
    lenders = np.array([[1, 0, 2], [0, 2, 1]])
    assert standard_error(np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]), lenders) >= 0
    assert standard_error(np.zeros((2, 3)), lenders) == 0


def test_what_has_no_importance_or_no_standard_error():
    rng = np.random.default_rng(4)
    assert [permutation_importances(truth(), impressions(rng, rows), NAMES) for rows in (0, 1)] == [[], []]
    with pytest.raises(ValueError, match="repeats is 1: expected at least 2"):
        permutation_importances(truth(), impressions(rng, 10), NAMES, repeats=1)


def test_the_sample_is_spread_evenly_over_the_days_and_is_every_row_where_there_are_few(evaluated: Evaluated):
    store = evaluated.store
    days = [store.manifest(ENCODED_FEATURES, day) for day in window_of(DAYS[1])]
    every = sample_rows(store, days, RowsOf.TEST)
    assert every.column_names == list(SCORING_COLUMNS)
    assert every.num_rows == sum(day.properties["splits"]["test"] for day in days) < SAMPLE_ROWS
    some = sample_rows(store, days, RowsOf.TEST, most=100)
    assert some == every.take(np.arange(100) * every.num_rows // 100)


def test_the_network_is_told_by_what_its_labels_depend_on(evaluated: Evaluated):
    """The labels of the small store depend on C1 with banner_pos, and on C14 (``encoded_days.py``)."""
    store = evaluated.store
    scorer = Scorer.load(store, store.manifest(WIDE_DEEP_MODEL, DAYS[1]))
    rows = sample_rows(store, [store.manifest(ENCODED_FEATURES, day) for day in window_of(DAYS[1])], RowsOf.TEST)
    found = permutation_importances(scorer, rows, [feature.name for feature in FEATURES])
    assert {each.feature for each in found[:2]} == {"C1", "banner_pos"}
    assert all(each.increase > 5 * each.standard_error for each in found[:2])
