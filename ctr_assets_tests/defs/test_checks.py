"""The checks in real runs: each day gets its results, and a failed blocking check stops what it must stop."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType

from ctr_assets.defs.checks import BLOCKING_BEFORE_TRAINING, CHECKS, asset_checks
from ctr_assets_tests.deliveries import deliver, deliver_feed, impressions
from ctr_assets_tests.materializing import TABLES, Graph

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]
LAST = DAYS[-1]


@pytest.fixture(scope="module")
def usual(spark, tmp_path_factory):
    """Two days as they should be: their folder, and the run that made and checked their tables."""
    home = tmp_path_factory.mktemp("usual")
    deliver_feed(home / "landing", DAYS[:2], 200)
    with dg.DagsterInstance.ephemeral() as instance:
        result = Graph(home / "landing", home / "store", instance).materialize(*TABLES, first=DAYS[0], last=DAYS[1])
    return home, result


@pytest.fixture
def graph(usual, tmp_path):
    """A copy of the two days."""
    for part in ("landing", "store"):
        shutil.copytree(usual[0] / part, tmp_path / part)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(tmp_path / "landing", tmp_path / "store", instance)


def _landing(graph):
    return Path(graph.resources["places"].landing_url)


def evaluations(result):
    """(asset, check, day) -> evaluation, of one run."""
    events = (e for e in result.all_events if e.event_type == DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [event.asset_check_evaluation_data for event in events]
    return {(each.asset_key.path[-1], each.check_name, each.partition): each for each in found}


def materialized(result):
    return {(e.asset_key.path[-1], e.partition) for e in result.get_asset_materialization_events()}


def test_every_check_says_something_of_every_day(usual):
    found = evaluations(usual[1])
    expected = {
        (asset.key.path[-1], check.name, day)
        for asset, checks in CHECKS.items()
        if asset.key.path[-1] in TABLES
        for check in checks
        for day in DAYS[:2]
    }
    assert set(found) == expected
    assert [key for key, each in found.items() if not each.passed] == []
    assert all(each.description for each in found.values())


def test_ten_times_the_rows_stop_before_any_id_is_given(graph):
    deliver(_landing(graph), f"day={LAST}/impressions.csv", impressions(LAST, 2000))
    result = graph.materialize(*TABLES, first=LAST, raise_on_error=False)
    assert not result.success
    failed = evaluations(result)["raw_impressions", "row_volume", LAST]
    assert not failed.passed
    assert "2,000 impressions, 10.00 x the median of the 2 days before (200); expected 67 to 600" in failed.description
    assert materialized(result) == {("raw_impressions", LAST)}


def test_a_day_of_rejected_rows_stops_too(graph):
    rows = impressions(LAST, 300)
    for row in rows[:30]:
        row["click"] = "maybe"
    deliver(_landing(graph), f"day={LAST}/impressions.csv", rows)
    config = {"raw_impressions": {"max_quarantined_share": 0.5}}
    result = graph.materialize("raw_impressions", "impression_profile", first=LAST, config=config, raise_on_error=False)
    failed = evaluations(result)["raw_impressions", "quarantine_rate", LAST]
    assert "30 rows rejected, 10.000% of the day; expected at most 0.500%" in failed.description
    assert materialized(result) == {("raw_impressions", LAST)}


def test_clicks_that_cannot_be_and_renamed_values_stop_the_training(graph):
    rows = impressions(LAST, 400)
    for row in rows:
        row["click"] = "1"
        row["site_id"] = f"renamed {row['id']}"
    deliver(_landing(graph), f"day={LAST}/impressions.csv", rows)
    result = graph.materialize(*TABLES, "wide_deep_model", first=LAST, raise_on_error=False)
    assert not result.success
    found = evaluations(result)
    failed = {(asset, check) for (asset, check, _), each in found.items() if not each.passed}
    assert {("encoded_features", "click_rate"), ("encoded_features", "unknown_rate")} <= failed
    assert "site_id" in found["encoded_features", "unknown_rate", LAST].description
    # A notice: another population, and the day went on.
    assert ("impression_profile", "population_stability") in failed
    assert "site_id" in found["impression_profile", "population_stability", LAST].description
    assert ("encoded_features", LAST) in materialized(result)
    assert ("wide_deep_model", LAST) not in materialized(result)


def test_a_gap_day_is_noticed_and_valid(graph):
    after_gap = "2014-10-24"
    deliver_feed(_landing(graph), [after_gap], 200)
    result = graph.materialize(*TABLES, first=LAST, last=after_gap)
    assert result.success
    found = evaluations(result)
    assert [key for key, each in found.items() if not each.passed] == [("raw_impressions", "has_rows", LAST)]
    assert found["raw_impressions", "has_rows", LAST].severity is dg.AssetCheckSeverity.WARN
    assert graph.metadata("encoded_features", LAST)["dagster/row_count"] == 0


def test_the_checks_before_a_training_are_the_blocking_ones_of_its_tables():
    assert {key.to_user_string() for key in BLOCKING_BEFORE_TRAINING} == {
        "raw_impressions:schema",
        "raw_impressions:every_line_accounted_for",
        "raw_impressions:duplicate_rate",
        "raw_impressions:row_volume",
        "raw_impressions:quarantine_rate",
        "feature_vocabulary:append_only",
        "encoded_features:schema",
        "encoded_features:click_rate",
        "encoded_features:unknown_rate",
        "encoded_features:no_leakage",
    }
    assert all(spec.description for checks in asset_checks for spec in checks.check_specs)
