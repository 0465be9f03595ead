from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.features import Split
from ctr_assets.jobs import champion_model, champion_validation, evaluation_report
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import CHAMPION_MODEL, CHAMPION_VALIDATION, ENCODED_FEATURES, EVALUATION_REPORT, WIDE_DEEP_MODEL
from ctr_assets.training.score import Scorer
from ctr_assets_tests.damaging import damage_file, manifest_path
from ctr_assets_tests.encoded_days import reencode, with_column
from ctr_assets_tests.evaluation.conftest import (
    DAYS,
    TINY,
    RecordingReport,
    assert_as_contracted,
    evaluate_day,
    train_wide_deep,
)

BEFORE, DAY, NEXT_DAY = DAYS
CHAMPIONS = {"champion_day", "champion_version", "rows_of", "note", "metrics", "reference"}
CANDIDATES = {"candidate_day", "candidate_version", "candidate_metrics", "comparison"}


def _validate(store: Store, day: str) -> tuple[dict[str, Any], Manifest]:
    """Run the job; what it reported and what it committed, both held to their contracts."""
    report = RecordingReport()
    champion_validation.run(champion_validation.Params(store_url=store.url, day=day), report)
    assert [partition for partition, _ in report.partitions] == [day]
    committed = store.manifest(CHAMPION_VALIDATION, day)
    assert set(committed.properties) == CHAMPIONS | CANDIDATES
    assert_as_contracted("champion_validation", report.metadata)
    return report.metadata, committed


@pytest.fixture
def promoted(store: Store) -> Store:
    """The model of the second day is the champion."""
    champion_model.run(champion_model.Params(store_url=store.url, day=DAY), RecordingReport())
    return store


def _scored(store: Store, day: str, splits: set[Split]) -> tuple[np.ndarray, np.ndarray]:
    encoded = store.manifest(ENCODED_FEATURES, day)
    table = pa.concat_tables(store.parquet(encoded, file).read() for file in encoded.files)
    table = table.filter(pa.array(np.isin(table["split"].to_numpy(), [split.code for split in splits])))
    return table["label"].to_numpy(), Scorer.load(store, store.manifest(CHAMPION_MODEL, "current")).predict(table)


@pytest.mark.parametrize(
    ("day", "rows_of", "splits"),
    [
        (NEXT_DAY, "all", {Split.TRAIN, Split.VALIDATION, Split.TEST}),
        (DAY, "test", {Split.TEST}),
        (BEFORE, "test", {Split.TEST}),
    ],
)
def test_an_unseen_day_is_scored_whole_and_any_other_on_its_test_rows(
    promoted: Store, day: str, rows_of: str, splits: set[Split]
):
    reported, committed = _validate(promoted, day)
    labels, scores = _scored(promoted, day, splits)
    assert reported["rows_of"] == committed.properties["rows_of"] == rows_of
    assert reported["dagster/row_count"] == committed.rows == len(labels)
    assert reported["champion/clicks"] == labels.sum()
    assert reported["champion/roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert reported["champion/logloss"] == pytest.approx(log_loss(labels, scores.astype(float)))
    assert reported["calibration_ratio"] == pytest.approx(scores.mean(dtype=float) / labels.mean())
    assert committed.properties["metrics"]["logloss"] == reported["champion/logloss"]
    assert committed.properties["note"] is None


def test_the_reference_is_what_the_champion_showed_when_it_was_promoted(promoted: Store):
    champion = promoted.manifest(CHAMPION_MODEL, "current")
    reported, committed = _validate(promoted, NEXT_DAY)
    shown = champion.properties["test_metrics"]
    reference = {name: shown[name] for name in ("normalized_entropy", "calibration_ratio")}
    assert committed.properties["reference"] == reference
    assert committed.properties["champion_day"] == reported["champion_day"] == DAY
    assert committed.properties["champion_version"] == champion.properties["model_version"]
    increase = reported["champion/normalized_entropy"] / reference["normalized_entropy"] - 1
    assert reported["normalized_entropy_increase"] == pytest.approx(increase)


def _train_again(store: Store) -> Manifest:
    """Another model of the champion's day."""
    train_wide_deep(store, DAY, TINY.model_copy(update={"epochs": 2, "seed": 1}))
    return store.manifest(WIDE_DEEP_MODEL, DAY)


def test_the_newest_other_model_is_scored_on_the_same_rows_before_any_model_learns_them(promoted: Store):
    candidate = _train_again(promoted)
    reported, committed = _validate(promoted, NEXT_DAY)
    labels, champion_scores = _scored(promoted, NEXT_DAY, {Split.TRAIN, Split.VALIDATION, Split.TEST})
    encoded = promoted.manifest(ENCODED_FEATURES, NEXT_DAY)
    rows = pa.concat_tables(promoted.parquet(encoded, file).read() for file in encoded.files)
    scores = Scorer.load(promoted, candidate).predict(rows)
    expected = log_loss(labels, scores.astype(float)) - log_loss(labels, champion_scores.astype(float))
    assert reported["candidate/roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert reported["logloss_difference"] == pytest.approx(expected)
    assert reported["standard_error"] > 0
    kept = committed.properties
    assert (kept["candidate_day"], kept["candidate_version"]) == (DAY, candidate.version)
    assert kept["candidate_metrics"]["logloss"] == reported["candidate/logloss"]
    assert kept["comparison"]["difference"] == reported["logloss_difference"]
    assert (kept["comparison"]["rows"], kept["comparison"]["clicks"]) == (len(labels), labels.sum())
    assert committed.inputs[candidate.reference] == candidate.version


def _reasons(store: Store) -> list[str]:
    """Of the report of the day after the champion's."""
    reasons: list[str] = store.manifest(EVALUATION_REPORT, NEXT_DAY).properties["reasons"]
    return reasons


def test_what_is_kept_of_new_days_is_told_by_the_next_contest(promoted: Store):
    _train_again(promoted)
    reported, _ = _validate(promoted, NEXT_DAY)
    evaluate_day(promoted, NEXT_DAY)
    evaluation_report.run(evaluation_report.Params(store_url=promoted.url, day=NEXT_DAY), RecordingReport())
    (told,) = [
        each for each in _reasons(promoted) if "days that were new, the newest models beside it: logloss" in each
    ]
    assert f"{reported['champion/rows']:,} rows of 1 day" in told
    damage_file(promoted, manifest_path(promoted, CHAMPION_VALIDATION, NEXT_DAY), "cut off")
    evaluation_report.run(evaluation_report.Params(store_url=promoted.url, day=NEXT_DAY), RecordingReport())
    assert not any("days that were new" in each for each in _reasons(promoted))


def _assert_alone(store: Store, day: str) -> None:
    reported, committed = _validate(store, day)
    assert reported["champion/rows"] > 0
    assert {committed.properties[name] for name in CANDIDATES} == {None}


def test_the_champion_alone_is_scored_where_it_is_the_newest_model_of_the_days_before(promoted: Store):
    """The model of the day itself has learnt from it."""
    assert promoted.find(WIDE_DEEP_MODEL, NEXT_DAY) is not None
    _assert_alone(promoted, NEXT_DAY)


def test_on_a_day_that_the_champion_learnt_from_no_other_model_is_compared(promoted: Store):
    _train_again(promoted)
    _assert_alone(promoted, DAY)


@pytest.mark.parametrize("what", ["manifest", "weights", "ids"])
def test_a_candidate_that_cannot_be_scored_leaves_the_champion_its_figures(promoted: Store, what: str):
    candidate = _train_again(promoted)
    if what == "ids":
        other = {**candidate.properties, "vocabulary_fingerprint": "of another vocabulary"}
        promoted.begin(WIDE_DEEP_MODEL, DAY).commit(candidate.files, candidate.columns, properties=other)
    elif what == "weights":
        damage_file(promoted, promoted.file_path(candidate, candidate.files[0]), "cut off")
    else:
        damage_file(promoted, manifest_path(promoted, WIDE_DEEP_MODEL, DAY), "cut off")
    _assert_alone(promoted, NEXT_DAY)


def _assert_empty(store: Store, day: str, note: str) -> Manifest:
    reported, committed = _validate(store, day)
    assert note in reported["note"]
    assert note in committed.properties["note"]
    assert reported["dagster/row_count"] == committed.rows == 0
    assert committed.properties["metrics"] is committed.properties["rows_of"] is None
    return committed


def test_without_a_champion_the_day_is_empty_and_says_so(store: Store):
    committed = _assert_empty(store, DAY, "There is no champion yet")
    assert committed.properties["champion_day"] is committed.properties["champion_version"] is None
    assert committed.properties["reference"] is None


def test_a_champion_that_cannot_read_the_day_leaves_it_empty_and_says_so(promoted: Store):
    encoded = promoted.manifest(ENCODED_FEATURES, NEXT_DAY)
    properties = {**encoded.properties, "vocabulary_fingerprint": "of another vocabulary"}
    promoted.begin(ENCODED_FEATURES, NEXT_DAY).commit(encoded.files, encoded.columns, properties=properties)
    committed = _assert_empty(promoted, NEXT_DAY, f"The champion of {DAY} cannot read these rows")
    assert committed.properties["champion_day"] == DAY


def test_a_day_without_labels_is_empty_and_says_so(promoted: Store):
    reencode(
        promoted,
        NEXT_DAY,
        lambda rows: with_column(with_column(rows, "label", None), "split", Split.UNLABELLED.code),
    )
    _assert_empty(promoted, NEXT_DAY, f"{NEXT_DAY} has no labelled rows")


def test_a_day_without_impressions_is_empty_and_says_so(promoted: Store):
    encoded = promoted.manifest(ENCODED_FEATURES, NEXT_DAY)
    promoted.begin(ENCODED_FEATURES, NEXT_DAY).commit([], encoded.columns, properties=encoded.properties)
    _assert_empty(promoted, NEXT_DAY, f"{NEXT_DAY} has no impressions")


def test_a_day_without_clicks_reports_what_is_defined(promoted: Store):
    reencode(promoted, NEXT_DAY, lambda rows: with_column(rows, "label", 0))
    reported, committed = _validate(promoted, NEXT_DAY)
    assert reported["champion/clicks"] == 0
    assert "normalized_entropy_increase" not in reported
    assert committed.properties["metrics"]["normalized_entropy"] is None
    assert committed.properties["metrics"]["notes"]
