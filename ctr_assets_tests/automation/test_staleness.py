"""Which days' feature tables are made again when a day they were made from changes."""

import pytest

from ctr_assets.automation.staleness import FEATURE_TABLES, stale_days, stale_features
from ctr_assets_tests.automation.tables import DAYS, Tables


@pytest.fixture
def tables(tmp_path):
    tables = Tables(tmp_path)
    for day in DAYS[:3]:
        tables.day(day)
    return tables


def stale(tables):
    return list(stale_days(tables.read(FEATURE_TABLES), DAYS))


def run_needed(tables):
    return stale_features(tables.read(FEATURE_TABLES), DAYS)


def test_days_that_continue_one_another_are_current(tables):
    found = run_needed(tables)
    assert (found.first, found.reason) == (None, "The feature tables of all 3 days continue one another")


def test_nothing_is_stale_where_nothing_is_encoded(tmp_path):
    assert run_needed(Tables(tmp_path)).first is None


def test_days_after_one_that_was_delivered_again_are_stale(tables):
    tables.day(DAYS[0], "others")
    found = run_needed(tables)
    assert (found.first, found.last) == (DAYS[1], DAYS[2])
    assert found.reason == f"feature_vocabulary[{DAYS[1]}] does not continue feature_vocabulary[{DAYS[0]}]"


def test_the_run_puts_them_right(tables):
    tables.day(DAYS[0], "others")
    for day in DAYS[1:3]:
        tables.vocabulary(day)
        tables.encoded(day)
    assert stale(tables) == []


def test_the_newest_day_delivered_again_makes_nothing_stale(tables):
    tables.day(DAYS[2], "others")
    assert stale(tables) == []


def test_a_day_that_came_out_the_same_makes_nothing_stale(tables):
    tables.day(DAYS[0])
    assert stale(tables) == []


def test_other_counts_of_values_without_an_id_make_the_next_day_stale(tables):
    tables.vocabulary(DAYS[0], "rows", pending="other counts")
    tables.encoded(DAYS[0])
    assert stale(tables) == [DAYS[1]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.raw(DAYS[1]), f"feature_vocabulary[{DAYS[1]}] was made from another version of raw_impressions"),
        (
            lambda t: t.vocabulary(DAYS[1], "rows"),
            f"encoded_features[{DAYS[1]}] was made from another version of feature_vocabulary",
        ),
    ],
)
def test_a_table_made_from_another_version_of_its_own_day_is_stale(tables, change, reason):
    change(tables)
    found = run_needed(tables)
    assert (found.first, found.last) == (DAYS[1], DAYS[2])
    assert found.reason.startswith(reason)


def test_a_run_that_encoded_nothing_leaves_its_day_stale(tables):
    tables.raw(DAYS[0], "others")
    tables.vocabulary(DAYS[0], "others")
    assert stale(tables) == [DAYS[0], DAYS[1]]


def test_a_day_after_the_newest_encoded_one_is_not_judged(tables):
    tables.raw(DAYS[3])
    assert stale(tables) == []


def test_days_that_cannot_be_put_right_are_told(tmp_path):
    tables = Tables(tmp_path)
    tables.day(DAYS[1])
    found = run_needed(tables)
    assert found.first is None
    assert found.reason.endswith(f"raw_impressions of {DAYS[0]} must be materialized first")


def test_the_run_key_is_of_what_is_read(tables):
    tables.day(DAYS[0], "others")
    first = run_needed(tables).run_key
    tables.vocabulary(DAYS[1])  # the run failed after this
    tables.vocabulary(DAYS[1], "wrong")
    assert run_needed(tables).run_key == first
    tables.day(DAYS[0], "yet others")
    assert run_needed(tables).run_key != first
