"""The generator's pure parts: splitting rows, made-up identifiers, tables, effects and scores."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from ctr_assets.demo.calendar import TURN, Drift, plan_days, split_rows
from ctr_assets.demo.click_effects import build_click_model
from ctr_assets.demo.day_writer import sigmoid, solve_intercept
from ctr_assets.demo.devices import ADDRESS_LAW, DEVICE_ID_LAW, RankLaw
from ctr_assets.demo.identifiers import hex_values, impression_ids, mix32, mix64
from ctr_assets.demo.published import published
from ctr_assets.demo.sampling import draw_entries
from ctr_assets.demo.score import TruthScore, histogram_auc
from ctr_assets.demo.table import assign_parents, tail_rows
from ctr_assets.demo.vocabulary import build_vocabulary


@pytest.mark.parametrize(("rows", "weights"), [(0, [1, 2]), (1, [1, 1, 1]), (10, [0, 3, 0, 1]), (999, [5, 0, 7, 11])])
def test_split_rows_adds_up_and_is_near_the_shares(rows, weights):
    parts = split_rows(rows, np.array(weights))
    assert parts.sum() == rows
    assert np.all(np.abs(parts - rows * np.array(weights) / sum(weights)) < 1)
    assert np.all(parts[np.array(weights) == 0] == 0)


def test_all_published_rows_are_planned_as_published():
    plans = plan_days(published().rows, date(2014, 10, 21), 10)
    assert [plan.rows for plan in plans] == published().daily_rows.tolist()
    assert plans[0].hourly_rows.tolist() == published().hourly_rows_first_day.tolist()


def test_days_outside_the_published_ones_cycle():
    before, later = plan_days(1000, date(2014, 10, 20), 1)[0], plan_days(1000, date(2014, 11, 1), 1)[0]
    assert (before.age_days, before.click_rate) == (-1, published().daily_click_rate[9])
    assert (later.age_days, later.click_rate) == (11, published().daily_click_rate[1])


def test_without_drift_every_day_is_like_the_first():
    first, *others = plan_days(10_000, date(2014, 10, 21), 12, Drift.NONE)
    for plan in others:
        assert (plan.age_days, plan.click_rate, plan.turn) == (0, published().daily_click_rate[0], 0)
        assert abs(plan.rows - first.rows) <= 1
    assert len({plan.day for plan in (first, *others)}) == 12


def test_fast_drift_turns_the_effects_a_little_every_day():
    published_plans = plan_days(10_000, date(2014, 10, 21), 31)
    fast = plan_days(10_000, date(2014, 10, 21), 31, Drift.FAST)
    assert [plan.click_rate for plan in fast] == [plan.click_rate for plan in published_plans]
    assert {plan.turn for plan in published_plans} == {0}
    assert fast[0].turn == 0
    assert fast[30].turn == pytest.approx(np.pi / 2)
    assert np.allclose(np.diff([plan.turn for plan in fast]), TURN)


def test_mixing_is_a_bijection():
    assert len(np.unique(mix32(np.arange(500_000, dtype=np.uint32), 7))) == 500_000
    assert len(np.unique(mix64(np.arange(500_000, dtype=np.uint64), 7))) == 500_000
    values = hex_values(np.array([0, 1], dtype=np.uint32), 3)
    assert values.dtype == "S8"
    assert values[0] != values[1]


def test_ids_are_decimal_numbers_of_the_mixed_counters():
    ids = impression_ids(735_000, 5, 2_000, seed=9)
    counters = np.arange(5, 2_005, dtype=np.uint64) + np.uint64(735_000 << 40)
    expected = [str(number) for number in mix64(counters, 9 * 0x9E3779B97F4A7C15).tolist()]
    assert [text.replace(b"\0", b"").decode() for text in ids.tolist()] == expected
    assert len(set(map(len, expected))) > 1  # Shorter ids occur too.


def test_tail_rows_fall_and_add_up():
    rows = tail_rows(first=1_000.0, first_rank=30, total=50_000.0, values=2_000)
    assert rows.sum() == pytest.approx(50_000, rel=1e-6)
    assert np.all(np.diff(rows) <= 0)
    assert rows[0] < 1_000


def test_assign_parents_fills_the_published_counts_and_leaves_no_parent_out():
    rows = np.array([50.0, 30, 20, 10, 5, 5, 1, 1])
    parents = assign_parents(rows, np.array([60.0, 40, 22, 0.5]), known={0: 1})
    assert parents[0] == 1
    assert set(parents) == {0, 1, 2, 3}
    assert np.bincount(parents, rows)[0] == pytest.approx(60, abs=10)


def test_vocabulary_has_the_published_cardinalities():
    vocabulary = build_vocabulary(9)
    tables = (vocabulary.placements, vocabulary.creatives, vocabulary.c20, vocabulary.device_classes, vocabulary.models)
    distinct = {column: len(np.unique(values)) for table in tables for column, values in table.columns.items()}
    for column, values in distinct.items():
        assert values == pytest.approx(published().cardinality[column], rel=0.01), column
    assert len(distinct) == 19


def test_a_longer_run_only_adds_entries_from_the_eleventh_day_on():
    short, long = build_vocabulary(9).creatives, build_vocabulary(30).creatives
    assert len(long) > len(short)
    for column, values in short.columns.items():
        assert np.array_equal(long.columns[column][: len(short)], values)
    assert np.all(long.first_age[len(short) :] >= 10)
    np.testing.assert_allclose(long.daily_weights(9)[: len(short)], short.daily_weights(9))
    assert len(np.unique(long.columns["C14"])) == len(long)


@pytest.mark.parametrize(
    ("law", "column", "share"), [(ADDRESS_LAW, "device_ip", 0.948), (DEVICE_ID_LAW, "device_id", 0.1728)]
)
def test_rank_laws_give_the_published_cardinality_at_the_published_rows(law: RankLaw, column: str, share: float):
    def expected_distinct(draws: float, size: int) -> float:
        chance = np.diff((np.arange(size + 1) / size) ** (1 / law.skew))
        return float((1 - np.exp(-draws * chance)).sum())

    daily = published().daily_rows * share
    distinct = expected_distinct(daily.sum() * (1 - law.fresh_share), law.returning)
    distinct += sum(expected_distinct(rows * law.fresh_share, law.fresh) for rows in daily)
    assert distinct == pytest.approx(published().cardinality[column], rel=0.05)


def test_fresh_ranks_of_two_days_do_not_meet_and_fit_32_bits():
    law = RankLaw(returning=1_000, fresh=500, fresh_share=1.0, skew=2.0)
    rng = np.random.default_rng(1)
    days = [set(law.draw(rng, 2_000, age).tolist()) for age in (0, 1)]
    assert not days[0] & days[1]
    for real in (ADDRESS_LAW, DEVICE_ID_LAW):
        assert real.returning + 1_000 * real.fresh < 2**32


def test_draw_entries_follows_the_weights():
    entries = draw_entries(np.random.default_rng(3), np.array([0.5, 0.0, 0.2, 0.3]), 100_000)
    counts = Counter(entries.tolist())
    assert counts[1] == 0
    assert counts[0] / 100_000 == pytest.approx(0.5, abs=0.01)
    assert abs(np.corrcoef(entries[:-1], entries[1:])[0, 1]) < 0.02


def test_intercept_meets_the_click_rate():
    logits = np.random.default_rng(2).normal(size=5_000) * 2
    assert sigmoid(logits + solve_intercept(logits, 0.17)).mean() == pytest.approx(0.17, abs=1e-9)


def test_effects_of_a_value_stay_when_later_days_add_values():
    short, long = (build_click_model(age, seed=5) for age in (9, 30))
    entries = len(short.single["creative"])
    np.testing.assert_allclose(long.single["creative"][:entries], short.single["creative"], atol=0.02)
    assert not np.allclose(build_click_model(9, seed=6).single["creative"], short.single["creative"])


def test_score_is_the_same_from_parts_and_from_the_whole():
    rng = np.random.default_rng(4)
    p = rng.beta(1, 4, 3_000)
    clicks = rng.random(3_000) < p
    whole, left, right = TruthScore(), TruthScore(), TruthScore()
    whole.add(p, clicks)
    left.add(p[:1_000], clicks[:1_000])
    right.add(p[1_000:], clicks[1_000:])
    left.merge(right)
    assert (left.auc, left.clicks, left.rows) == (whole.auc, whole.clicks, whole.rows)
    assert left.loss == pytest.approx(whole.loss)


@pytest.mark.parametrize(
    ("positive", "negative", "expected"), [([0, 1], [1, 0], 1.0), ([1, 0], [0, 1], 0.0), ([2, 2], [3, 3], 0.5)]
)
def test_histogram_auc(positive, negative, expected):
    assert histogram_auc(np.array(positive, dtype=float), np.array(negative, dtype=float)) == expected


def test_auc_without_clicks_is_not_a_number():
    assert np.isnan(histogram_auc(np.zeros(3), np.ones(3)))
