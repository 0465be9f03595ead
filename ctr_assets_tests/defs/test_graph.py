"""The deployed graph: which assets there are, how they depend on one another, and what each says of itself."""

import os
import subprocess
import sys

import dagster as dg
import pytest

from ctr_assets.definitions import defs
from ctr_assets.defs import partitions
from ctr_assets.defs.freshness import KEPT_FRESH
from ctr_assets.tables import ENCODED_SCHEMA

GRAPH = defs.resolve_asset_graph()
DEPENDENCIES = {
    "raw_impressions": set(),
    "impression_profile": {"raw_impressions"},
    "feature_vocabulary": {"raw_impressions", "feature_vocabulary"},
    "encoded_features": {"raw_impressions", "feature_vocabulary"},
    "wide_deep_model": {"encoded_features", "wide_deep_model"},
    "gbt_baseline": {"encoded_features"},
    "logistic_baseline": {"encoded_features"},
    "evaluation_metrics": {"wide_deep_model", "gbt_baseline", "logistic_baseline", "encoded_features"},
    "evaluation_report": {"wide_deep_model", "gbt_baseline", "logistic_baseline", "evaluation_metrics"},
    "champion_model": {"evaluation_metrics", "evaluation_report"},
    "champion_validation": {"encoded_features", "champion_model"},
    "serving_model": {"champion_model"},
    "click_predictions": {"encoded_features", "champion_model", "serving_model"},
}
SPARK_ASSETS = {"raw_impressions", "impression_profile", "feature_vocabulary", "encoded_features", "gbt_baseline"}
TABLES = SPARK_ASSETS - {"gbt_baseline"}


def spec(name):
    return GRAPH.get(dg.AssetKey(name))


def test_asset_keys():
    assert {key.to_user_string() for key in GRAPH.get_all_asset_keys()} == set(DEPENDENCIES)


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_dependencies(name):
    assert {key.to_user_string() for key in spec(name).parent_keys} == DEPENDENCIES[name]


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_every_asset_says_what_it_is(name):
    node = spec(name)
    assert node.description
    assert node.owners == ["team:ctr-models"]
    assert node.kinds
    assert node.code_version
    groups = {
        **dict.fromkeys(("raw_impressions", "impression_profile"), "ingest"),
        **dict.fromkeys(("serving_model", "click_predictions"), "serving"),
    }
    assert node.group_name == groups.get(name, "features" if name in TABLES else "models")


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_shows_its_columns_with_descriptions(name):
    schema = spec(name).metadata["dagster/column_schema"]
    assert all(column.description for column in schema.columns)
    if name == "encoded_features":
        assert [column.name for column in schema.columns] == ENCODED_SCHEMA.names


@pytest.mark.parametrize("name", sorted(SPARK_ASSETS))
def test_a_range_of_spark_partitions_is_one_run(name):
    assert spec(name).backfill_policy == dg.BackfillPolicy.single_run()


def upstream_days(name, parent, day):
    mapping = GRAPH.get_partition_mapping(dg.AssetKey(name), dg.AssetKey(parent))
    subset = partitions.daily.subset_with_partition_keys([day])
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, partitions.daily, partitions.daily)
    return sorted(found.partitions_subset.get_partition_keys())


@pytest.mark.parametrize(
    ("name", "parent", "day", "expected"),
    [
        ("feature_vocabulary", "feature_vocabulary", "2014-10-22", ["2014-10-21"]),
        ("feature_vocabulary", "feature_vocabulary", "2014-10-21", []),
        ("wide_deep_model", "wide_deep_model", "2014-10-22", ["2014-10-21"]),
        ("wide_deep_model", "wide_deep_model", "2014-10-21", []),
        ("wide_deep_model", "encoded_features", "2014-10-22", ["2014-10-21", "2014-10-22"]),
        ("wide_deep_model", "encoded_features", "2014-10-31", [f"2014-10-{d}" for d in range(22, 32)]),
        ("logistic_baseline", "encoded_features", "2014-10-31", [f"2014-10-{d}" for d in range(22, 32)]),
        ("evaluation_metrics", "encoded_features", "2014-10-21", ["2014-10-21", "2014-10-22"]),
        ("evaluation_metrics", "encoded_features", "2014-10-31", [f"2014-10-{d}" for d in range(22, 32)]),
    ],
)
def test_days_that_a_day_depends_on(name, parent, day, expected):
    assert upstream_days(name, parent, day) == expected


@pytest.mark.parametrize(
    ("day", "first", "count"), [("2014-10-21", "2014-10-21", 1), ("2014-10-30", "2014-10-21", 10),
                                ("2014-10-31", "2014-10-22", 10)]
)  # fmt: skip
def test_the_window_handed_to_a_job_is_the_one_declared(day, first, count):
    window = partitions.window_of(day)
    assert (window[0], window[-1], len(window)) == (first, day, count)
    assert window == upstream_days("wide_deep_model", "encoded_features", day)


def test_the_days_are_those_of_the_published_data():
    keys = partitions.daily.get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2014-10-21", "2014-10-31", 11)
    assert partitions.day_before("2014-10-21") is None
    assert partitions.day_before("2014-11-01") == "2014-10-31"
    assert partitions.day_after("2014-10-31") == "2014-11-01"


def test_only_a_live_feed_grows_old():
    script = """
from ctr_assets.definitions import defs
graph = defs.resolve_asset_graph()
print(*sorted(key.path[-1] for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy))
"""
    for last_day, kept_fresh in (("2014-10-31", set()), ("open", set(KEPT_FRESH))):
        environment = {**os.environ, "CTR_LAST_DAY": last_day}
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], env=environment, capture_output=True, text=True
        )
        assert set(run.stdout.split()) == kept_fresh, run.stderr
