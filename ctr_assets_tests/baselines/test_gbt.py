"""The baseline on a real Spark: training, its file of trees, and that scoring without Spark gives Spark's figures."""

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from ctr_assets.baselines.gbt import (
    GBT_FEATURES,
    attributes,
    export_trees,
    fit,
    is_categorical,
    read_train_rows,
    train_gbt,
)
from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.baselines.trees import CategorySplit, GbtScorer, Leaf, ThresholdSplit
from ctr_assets.evaluation.scored import RowsOf, score_rows
from ctr_assets.features import Split
from ctr_assets.jobs import gbt_baseline
from ctr_assets.jobs.report import TerminalReport
from ctr_assets.storage import Store
from ctr_assets.storage.rows import iter_split
from ctr_assets.storage.window import WindowError, check_window
from ctr_assets.tables import ENCODED_FEATURES, GBT_BASELINE
from ctr_assets_tests.encoded_days import SIZES, reencode, write_days

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS = ["2014-10-21", "2014-10-22"]
CONFIG = GbtConfig(max_iter=3, max_depth=4, min_instances_per_node=1)
GBT_SIZES = {name: SIZES[name] for name in GBT_FEATURES}


@pytest.fixture(scope="module")
def days_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("gbt")))
    write_days(store, DAYS, rows_per_day=2000)
    return store


def _splits(node: Leaf | ThresholdSplit | CategorySplit) -> list[ThresholdSplit | CategorySplit]:
    return [] if isinstance(node, Leaf) else [node, *_splits(node.left), *_splits(node.right)]


def test_scoring_without_spark_gives_sparks_own_probabilities(spark: "SparkSession", days_store: Store):
    sizes = {name: SIZES[name] for name in ("C1", "banner_pos", "C14", "site_id")}  # 5, 5, 200 and 200 values
    rows = read_train_rows(spark, days_store, check_window(days_store, DAYS[1], DAYS), sizes, CONFIG)
    model = fit(rows, sizes, CONFIG)
    scorer = GbtScorer(export_trees(model, sizes), {})
    kinds = {type(split) for tree in scorer.trees.trees for split in _splits(tree.root)}
    assert kinds == {CategorySplit, ThresholdSplit}

    scored = model.transform(rows).select("features", "probability").collect()
    ids = np.stack([row.features.toArray() for row in scored]).astype(np.int32)
    expected = np.array([row.probability[1] for row in scored])
    predicted = scorer.predict(pa.table(dict(zip(sizes, ids.T, strict=True))))
    assert np.abs(predicted - expected).max() < 1e-6
    assert expected.std() > 0.05


def test_only_the_training_rows_of_the_named_files_are_read(spark: "SparkSession", days_store: Store):
    days = check_window(days_store, DAYS[1], DAYS)
    # A file that no manifest names, as a killed writer leaves it, beside those of the version.
    folder = days_store.path(ENCODED_FEATURES, DAYS[0], days[0].version)
    with open(f"{folder}/part-99999.parquet", "wb") as file:
        file.write(b"half a file")
    expected = sum(t.num_rows for day in days for _, t in iter_split(days_store, day, [Split.TRAIN], ["row"]))
    assert read_train_rows(spark, days_store, days, GBT_SIZES, CONFIG).count() == expected


def test_the_name_of_a_store_is_no_pattern(spark: "SparkSession", tmp_path):
    for name in ("[ab]*{c}?", "a"):
        write_days(Store(str(tmp_path / name)), DAYS[:1], rows_per_day=300)
    store = Store(str(tmp_path / "[ab]*{c}?"))
    days = check_window(store, DAYS[0], DAYS[:1])
    rows = read_train_rows(spark, store, days, {"C1": SIZES["C1"]}, CONFIG)
    assert rows.count() == days[0].properties["splits"][Split.TRAIN.value]


def test_a_cap_of_rows_draws_about_that_many(spark: "SparkSession", days_store: Store):
    days = check_window(days_store, DAYS[1], DAYS)
    capped = read_train_rows(spark, days_store, days, GBT_SIZES, GbtConfig(max_rows=500))
    assert 400 <= capped.count() <= 600


def test_the_job_commits_a_model_that_beats_guessing_and_reports_it(spark: "SparkSession", days_store: Store):
    class Recording(TerminalReport):
        def partition(self, partition, metadata):
            self.reported = partition, metadata

    report = Recording()
    params = gbt_baseline.Params(store_url=days_store.url, day=DAYS[1], window=DAYS, gbt=CONFIG, code_version="7")
    gbt_baseline.run(params, report, spark)
    partition, metadata = report.reported
    assert partition == DAYS[1]
    assert set(metadata) == {
        *("dagster/row_count", "bytes", "files", "seconds", "rows_per_second", "version", "content_fingerprint"),
        *("path", "trees", "max_depth", "base_rate", "feature_importances"),
    }
    assert metadata["trees"] == 3
    assert "| C1 |" in metadata["feature_importances"]["raw_value"]

    manifest = days_store.manifest(GBT_BASELINE, DAYS[1])
    assert manifest.version == metadata["version"]
    assert manifest.created_by["code_version"] == "7"
    assert {file.name for file in manifest.files} == {"trees.json", "model_card.json"}
    scorer = GbtScorer.load(days_store, manifest)
    assert scorer.card["train_rows"] == metadata["dagster/row_count"]
    assert scorer.card["config"] == json.loads(CONFIG.model_dump_json())
    test_rows = pa.concat_tables(
        table
        for day in DAYS
        for _, table in iter_split(
            days_store, days_store.manifest(ENCODED_FEATURES, day), [Split.TEST], [*scorer.columns, "label"]
        )
    )
    labels, predicted = test_rows.column("label").to_numpy(), scorer.predict(test_rows)
    assert predicted[labels == 1].mean() > predicted[labels == 0].mean() + 0.05


def test_the_same_rows_and_seed_give_the_same_trees(spark: "SparkSession", days_store: Store):
    first, second = (
        train_gbt(
            spark, days_store, DAYS[0], DAYS[:1], GbtConfig(max_iter=1, max_depth=2, min_instances_per_node=1), {}
        )
        for _ in range(2)
    )
    assert first.manifest.files[0].sha256 == second.manifest.files[0].sha256


def test_a_window_of_another_vocabulary_is_refused_before_spark_reads(spark: "SparkSession", tmp_path):
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=100)
    store.remove_tree(ENCODED_FEATURES, DAYS[0])
    with pytest.raises(WindowError, match=DAYS[0]):
        train_gbt(spark, store, DAYS[1], DAYS, CONFIG, {})
    assert store.find(GBT_BASELINE, DAYS[1]) is None


@pytest.mark.long
def test_few_rows_and_a_weak_signal_do_not_make_it_worse_than_the_click_rate(spark: "SparkSession", tmp_path):
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=2000)

    def hardly_foretold(table: pa.Table) -> pa.Table:
        clicked_often = table.column("C14").to_numpy() % 3 == 1
        rng = np.random.default_rng(table.num_rows)
        label = rng.random(table.num_rows) < np.where(clicked_often, 0.25, 0.15)
        return table.set_column(table.schema.get_field_index("label"), "label", pa.array(label, pa.int8()))

    for day in DAYS:
        reencode(store, day, hardly_foretold)

    def loglosses_on_the_next_day(config: GbtConfig) -> tuple[float, float]:
        scorer = GbtScorer.load(store, train_gbt(spark, store, DAYS[0], DAYS[:1], config, {}).manifest)
        labels, predicted = score_rows(store, [store.manifest(ENCODED_FEATURES, DAYS[1])], RowsOf.NEXT_DAY, scorer)
        return log_loss(labels, predicted), log_loss(labels, np.full(len(labels), scorer.card["base_rate"]))

    with_leaves_of_one_row, constant = loglosses_on_the_next_day(GbtConfig(min_instances_per_node=1))
    ours, _ = loglosses_on_the_next_day(GbtConfig())
    assert with_leaves_of_one_row > 1.02 * constant
    assert ours < constant


def test_fields_of_few_values_are_split_by_sets_and_the_rest_by_order():
    config = GbtConfig(max_bins=6)
    assert is_categorical(5, config)
    assert not is_categorical(6, config)
    attrs = attributes({"C1": 5, "C14": 200}, config)["ml_attr"]["attrs"]
    assert attrs["nominal"] == [{"idx": 0, "name": "C1", "type": "nominal", "num_vals": 6}]
    assert attrs["numeric"] == [{"idx": 1, "name": "C14", "type": "numeric"}]
