import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.scored import MODELS, SCORED_SCHEMA, RowsOf, read_scored
from ctr_assets.features import Split
from ctr_assets.jobs.evaluation_metrics import find_next_day
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import Store
from ctr_assets.storage.window import WindowError
from ctr_assets.tables import (
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    GBT_BASELINE,
    LOGISTIC_BASELINE,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
)
from ctr_assets_tests.encoded_days import reencode, with_column
from ctr_assets_tests.evaluation.conftest import DAYS, Evaluated, evaluate_day, window_of

DAY, NEXT_DAY = DAYS[1], DAYS[2]
FIGURES = {
    *("rows", "clicks", "roc_auc", "logloss", "normalized_entropy", "pr_auc", "calibration_ratio"),
    "expected_calibration_error",
}
PICTURES = {"roc", "precision_recall", "reliability", "score_distribution"}
TABLE_KEYS = {
    *("dagster/row_count", "bytes", "files", "seconds", "rows_per_second", "version", "content_fingerprint", "path"),
    *("base_rate", "next_day", "summary"),
}


def _keys(rows_of: str) -> set[str]:
    return {f"{rows_of}/{model}/{name}" for model in MODELS for name in FIGURES} | {f"{rows_of}/{p}" for p in PICTURES}


def test_every_reported_figure_can_be_recomputed_from_the_scored_rows(evaluated: Evaluated):
    store, reported = evaluated.store, evaluated.reported
    scored = store.manifest(SCORED_IMPRESSIONS, DAY)
    for file in scored.files:
        table = store.parquet(scored, file).read()
        assert table.schema.names == SCORED_SCHEMA.names
        (rows_of,) = set(table.column("rows_of").to_pylist())
        labels = table.column("label").to_numpy().astype(np.int8)
        for model in MODELS:
            metrics = evaluate(labels, table.column(model).to_numpy())
            assert {f"{rows_of}/{model}/{name}": number for name, number in metrics.numbers().items()} == {
                key: number for key, number in reported.items() if key.startswith(f"{rows_of}/{model}/")
            }
    assert reported["dagster/row_count"] == scored.rows


def test_metadata_has_the_same_keys_each_day(evaluated: Evaluated, store: Store):
    assert set(evaluated.reported) == TABLE_KEYS | _keys("test") | _keys("next_day")
    assert set(evaluate_day(store, NEXT_DAY, "2014-10-24")) == TABLE_KEYS | _keys("test")


def test_the_file_says_what_the_report_said(evaluated: Evaluated):
    store, reported = evaluated.store, evaluated.reported
    manifest = store.manifest(EVALUATION_METRICS, DAY)
    with store.open_file(manifest, manifest.files[0]) as file:
        content = json.load(file)
    assert content["metrics"]["next_day"]["gbt"]["logloss"] == reported["next_day/gbt/logloss"]
    assert content["metrics"] == json.loads(json.dumps(manifest.properties["metrics"]))
    assert manifest.inputs[f"{WIDE_DEEP_MODEL}/{DAY}"] == store.manifest(WIDE_DEEP_MODEL, DAY).version
    for table in (GBT_BASELINE, LOGISTIC_BASELINE):
        assert manifest.inputs[f"{table}/{DAY}"] == store.manifest(table, DAY).version
    assert manifest.inputs[f"{SCORED_IMPRESSIONS}/{DAY}"] == store.manifest(SCORED_IMPRESSIONS, DAY).version


def test_scored_are_the_held_out_rows_of_the_window_and_all_rows_of_the_next_day(evaluated: Evaluated):
    store = evaluated.store
    scored = store.manifest(SCORED_IMPRESSIONS, DAY)
    ids = pa.array(read_scored(store, scored, RowsOf.TEST, "id"))
    assert set(split_codes(stable_hash(ids), np.ones(len(ids), dtype=bool))) == {Split.TEST.code}
    held_out = [store.manifest(ENCODED_FEATURES, day).properties["splits"]["test"] for day in window_of(DAY)]
    days, counts = np.unique(read_scored(store, scored, RowsOf.TEST, "day"), return_counts=True)
    assert dict(zip(days, counts, strict=True)) == dict(zip(window_of(DAY), held_out, strict=True))
    next_ids = read_scored(store, scored, RowsOf.NEXT_DAY, "id")
    assert len(set(next_ids)) == store.manifest(ENCODED_FEATURES, NEXT_DAY).rows


def test_the_models_beat_the_constant_rate_on_rows_they_never_saw(evaluated: Evaluated):
    reported = evaluated.reported
    for rows_of in ("test", "next_day"):
        assert reported[f"{rows_of}/wide_deep/logloss"] < reported[f"{rows_of}/constant/logloss"]
        assert reported[f"{rows_of}/gbt/logloss"] < reported[f"{rows_of}/constant/logloss"]
    assert reported["test/constant/roc_auc"] == 0.5


@pytest.mark.parametrize(
    ("next_day", "reason"),
    [(None, "not asked for"), ("2014-10-24", "encoded_features[2014-10-24] is not materialized")],
)
def test_a_next_day_that_is_not_there_is_left_out_and_said(evaluated: Evaluated, next_day: str | None, reason: str):
    manifest, text = find_next_day(evaluated.store, evaluated.store.manifest(FEATURE_VOCABULARY, DAY), next_day)
    assert manifest is None
    assert text.startswith(f"left out: {reason}")


def test_a_next_day_without_labels_is_left_out_and_said(store: Store):
    reencode(
        store, NEXT_DAY, lambda rows: with_column(with_column(rows, "label", None), "split", Split.UNLABELLED.code)
    )
    assert evaluate_day(store, DAY, NEXT_DAY)["next_day"] == f"left out: {NEXT_DAY} has no labelled rows"


def test_a_next_day_without_clicks_reports_what_is_defined_and_says_what_is_not(store: Store):
    reencode(store, NEXT_DAY, lambda rows: with_column(rows, "label", 0))
    reported = evaluate_day(store, DAY, NEXT_DAY)
    assert reported["next_day/wide_deep/clicks"] == 0
    assert reported["next_day/wide_deep/logloss"] > 0
    assert "next_day/wide_deep/roc_auc" not in reported
    assert "next_day: no row was clicked: roc_auc" in reported["summary"]["raw_value"]


def test_a_next_day_whose_ids_do_not_continue_the_models_is_refused(store: Store):
    vocabulary = store.manifest(FEATURE_VOCABULARY, NEXT_DAY)
    chain = {**vocabulary.properties["chain"], DAY: "of another vocabulary"}
    store.begin(FEATURE_VOCABULARY, NEXT_DAY).commit([], {}, properties={**vocabulary.properties, "chain": chain})
    with pytest.raises(WindowError, match=f"does not continue {FEATURE_VOCABULARY}.{DAY}"):
        evaluate_day(store, DAY, NEXT_DAY)


@pytest.mark.parametrize("table", [WIDE_DEEP_MODEL, GBT_BASELINE, LOGISTIC_BASELINE])
def test_a_model_of_another_vocabulary_is_refused(store: Store, table: str):
    model = store.manifest(table, DAY)
    properties = {**model.properties, "vocabulary_fingerprint": "of another vocabulary"}
    store.begin(table, DAY).commit(model.files, model.columns, properties=properties)
    with pytest.raises(ValueError, match=f"materialize {table} for {DAY} again"):
        evaluate_day(store, DAY)


_KILLED_BEFORE_COMMIT = """
import os, signal, sys
from ctr_assets.storage import store as module
from ctr_assets_tests.encoded_days import reencode, with_column
from ctr_assets_tests.evaluation.conftest import evaluate_day

commit = module.TableVersion.commit

def commit_unless_evaluation(self, *args, **kwargs):
    if self.table == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return commit(self, *args, **kwargs)

module.TableVersion.commit = commit_unless_evaluation
evaluate_day(module.Store(sys.argv[1]), sys.argv[3])
"""


def test_a_kill_between_files_and_manifest_leaves_the_previous_evaluation_readable(store: Store):
    before = store.manifest(EVALUATION_METRICS, DAY)
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED_BEFORE_COMMIT, store.url, EVALUATION_METRICS, DAY], env=os.environ, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(store.fs.ls(store.path(EVALUATION_METRICS, DAY), detail=False)) == 3  # two versions and the manifest
    after = store.manifest(EVALUATION_METRICS, DAY)
    assert after == before
    with store.open_file(after, after.files[0]) as file:
        assert "next_day" in json.load(file)["metrics"]
