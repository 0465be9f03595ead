"""Every asset of the graph, from landing files to a promoted model, on demo impressions and on a log like Kaggle's."""

import gzip
from pathlib import Path

import dagster as dg
import pytest

from ctr_assets.defs.checks import CheckThresholds
from ctr_assets.demo.generate import generate
from ctr_assets.jobs.contract import METADATA, OPTIONAL
from ctr_assets.oracle import best_reachable
from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_SCHEMA, RAW_SCHEMA, VOCABULARY_SCHEMA
from ctr_assets_tests.materializing import IN_USE, MODELS, TABLES, Graph
from ctr_assets_tests.serving.conftest import scored_bare

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]
UNPARTITIONED = ("champion_model", "serving_model")
SMALL = {
    "wide_deep_model": {"epochs": 2, "batch_size": 256},
    "gbt_baseline": {"max_iter": 3, "max_depth": 3},
    "logistic_baseline": {"epochs": 2},
}


@pytest.fixture(scope="module")
def graph(spark, tmp_path_factory):
    """Three demo days through every asset; models of the second day and, against its champion, of the third."""
    home = tmp_path_factory.mktemp("demo")
    generate(rows=24_000, landing=home / "landing", truth=home / "truth", days=3)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        graph = Graph(home / "landing", home / "store", instance)
        graph.materialize(*TABLES, first=DAYS[0], last=DAYS[2])
        for day in DAYS[1:]:
            graph.materialize("champion_validation", first=day)
            graph.materialize(*MODELS, first=day, config=SMALL)
            graph.materialize(*IN_USE, first=day)
        yield graph


def test_every_day_of_every_table_is_materialized(graph):
    for asset in TABLES:
        assert graph.instance.get_materialized_partitions(dg.AssetKey(asset)) == set(DAYS)
    assert sum(graph.metadata("raw_impressions", day)["dagster/row_count"] for day in DAYS) == 24_000
    assert sum(graph.metadata("encoded_features", day)["dagster/row_count"] for day in DAYS) == 24_000


@pytest.mark.parametrize("asset", METADATA)
def test_metadata_is_what_the_contract_says(graph, asset):
    found = set(graph.metadata(asset, None if asset in UNPARTITIONED else DAYS[1]))
    assert found <= set(METADATA[asset])
    assert set(METADATA[asset]) - found <= OPTIONAL.get(asset, set())


@pytest.mark.parametrize(
    "asset", ["wide_deep_model", "evaluation_metrics", "evaluation_report", "champion_model", "champion_validation"]
)
def test_what_a_reader_wants_stands_first_also_in_the_event_log(graph, asset):
    found = list(graph.metadata(asset, None if asset in UNPARTITIONED else DAYS[2]))
    assert found == [key for key in METADATA[asset] if key in found]
    assert "version" not in found[: len(found) // 3]


def test_column_lineage_leads_from_every_feature_to_raw_columns(graph):
    lineage = graph.metadata("encoded_features", DAYS[1])["dagster/column_lineage"].deps_by_column
    assert set(lineage) == set(ENCODED_SCHEMA.names)
    schemas = {"raw_impressions": RAW_SCHEMA, "feature_vocabulary": VOCABULARY_SCHEMA}
    for deps in lineage.values():
        assert {dep.asset_key.path[-1] for dep in deps} <= set(schemas)
        assert all(dep.column_name in schemas[dep.asset_key.path[-1]].names for dep in deps)
    crossed = {dep.column_name for dep in lineage["hour_of_day_x_app_category"]}
    assert crossed == {"hour", "app_category", "value", "id"}


def test_next_day_is_scored_where_it_is_there(graph):
    second, third = (graph.metadata("evaluation_metrics", day) for day in DAYS[1:])
    assert second["next_day"] == DAYS[2]
    assert 0.5 < second["next_day/wide_deep/roc_auc"] < 1
    assert "not materialized" in third["next_day"]
    assert not any(key.startswith("next_day/") for key in third)


def test_the_truth_bounds_what_the_models_reach(graph):
    store = Store(graph.resources["places"].store_url)
    truth = Path(store.root).parent / "truth"
    best = best_reachable(store, DAYS[1], truth)
    metadata = graph.metadata("evaluation_metrics", DAYS[1])
    assert set(best) == {"test", "next_day"}
    for rows_of, reachable in best.items():
        assert reachable.rows == metadata[f"{rows_of}/wide_deep/rows"]
        assert metadata[f"{rows_of}/wide_deep/roc_auc"] < reachable.roc_auc
        assert metadata[f"{rows_of}/wide_deep/logloss"] > reachable.logloss


def test_a_champion_is_there_and_says_why(graph):
    champion = graph.metadata("champion_model")
    assert champion["candidate_day"] == DAYS[2]
    assert champion["decision"]
    manifest = Store(graph.resources["places"].store_url).manifest("champion_model", "current")
    assert champion["version"] == manifest.version


def test_the_champion_meets_a_new_day_before_any_model_learns_from_it(graph):
    second, third = (graph.metadata("champion_validation", day) for day in DAYS[1:])
    assert second["note"] == "There is no champion yet"
    assert (third["champion_day"], third["rows_of"]) == (DAYS[1], "all")
    assert third["champion/rows"] == graph.metadata("encoded_features", DAYS[2])["dagster/row_count"]
    assert 0.5 < third["champion/roc_auc"] < 1


def test_the_report_of_a_day_is_written_against_the_champion_of_before(graph):
    second, third = (graph.metadata("evaluation_report", day) for day in DAYS[1:])
    assert (second["champion_day"], third["champion_day"]) == ("none", DAYS[1])
    decided = graph.metadata("champion_model")["decision"].split(": ")[1]
    assert third["verdict"].split(": ")[1] == decided
    assert Path(third["path"]).read_text().startswith("<!doctype html>")


def test_pictures_are_shown_in_place(graph):
    for key in ("test/roc", "test/precision_recall", "test/reliability"):
        assert graph.metadata("evaluation_metrics", DAYS[1])[key].startswith("![")
    assert "data:image/png;base64," in graph.metadata("impression_profile", DAYS[0])["click_rates"]


@pytest.mark.minutes
def test_the_log_goes_through_the_whole_graph(spark, avazu_log, tmp_path):
    """Labelled rows of two days and unlabelled ones of the last; the days between have none."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "train.gz").symlink_to(avazu_log.train)
    (landing / "test.gz").symlink_to(avazu_log.test)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        graph = Graph(landing, tmp_path / "store", instance)
        # An excerpt, not whole days: the second may have a third of the first one's rows.
        graph.resources["thresholds"] = CheckThresholds(max_row_ratio=4)
        graph.materialize(*TABLES, first="2014-10-21", last="2014-10-31")
        for day in (*avazu_log.rows, "2014-10-25"):
            assert graph.metadata("raw_impressions", day)["dagster/row_count"] == avazu_log.rows[day]
        assert graph.metadata("raw_impressions", "2014-10-21")["quarantined_rows"] == 0
        assert graph.metadata("encoded_features", "2014-10-31")["unlabelled_rows"] == avazu_log.rows["2014-10-31"]
        graph.materialize(*MODELS, first="2014-10-22", config=SMALL)
        graph.materialize("champion_model", "serving_model")
        graph.materialize("click_predictions", first="2014-10-31")
        evaluation = graph.metadata("evaluation_metrics", "2014-10-22")
        assert evaluation["test/wide_deep/roc_auc"] > 0.65
        assert evaluation["test/wide_deep/logloss"] < evaluation["test/constant/logloss"]
        assert evaluation["test/logistic/logloss"] < evaluation["test/constant/logloss"]
        assert "no labelled rows" in evaluation["next_day"]
        assert graph.metadata("champion_model")["candidate_day"] == "2014-10-22"
        assert graph.metadata("serving_model")["greatest_difference"] < 1e-5
        with gzip.open(graph.metadata("click_predictions", "2014-10-31")["submission"], "rt") as submission:
            lines = submission.read().splitlines()
        assert lines[0] == "id,click"
        assert [line.split(",")[0] for line in lines[1:]] == avazu_log.unlabelled_ids
        # And by the exported file alone, from the delivered file itself.
        by_the_file = scored_bare(graph.metadata("serving_model")["path"], avazu_log.test)
        assert [id for id, _ in by_the_file] == avazu_log.unlabelled_ids
        differences = [abs(float(line.split(",")[1]) - p) for line, (_, p) in zip(lines[1:], by_the_file, strict=True)]
        assert max(differences) < 1e-5
