"""Every raw row gets the champion's probability, by whichever way, and an unlabelled day a submission."""

import gzip
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctr_assets.jobs import click_predictions
from ctr_assets.serving import predictions
from ctr_assets.serving.equality import as_columns, delivered
from ctr_assets.serving.session import MODEL_NAME, ServedModel
from ctr_assets.storage import Manifest, NotMaterializedError, Store, UnreadableError
from ctr_assets.tables import (
    CLICK_PREDICTIONS,
    CURRENT,
    ENCODED_FEATURES,
    FEATURE_VOCABULARY,
    MADE_FROM,
    PREDICTIONS_SCHEMA,
    RAW_IMPRESSIONS,
    SERVING_MODEL,
)
from ctr_assets_tests.damaging import damage
from ctr_assets_tests.deliveries import impressions
from ctr_assets_tests.evaluation.conftest import RecordingReport, assert_as_contracted
from ctr_assets_tests.serving.conftest import DAYS, UNLABELLED, crown, export_champion


def predict_day(store: Store, day: str) -> tuple[Manifest, dict]:
    report = RecordingReport()
    click_predictions.run(click_predictions.Params(store_url=store.url, day=day, code_version="1"), report)
    assert_as_contracted(CLICK_PREDICTIONS, report.metadata)
    return store.manifest(CLICK_PREDICTIONS, day), report.metadata


def read(store: Store, manifest: Manifest) -> pa.Table:
    parts = [file for file in manifest.files if file.name.endswith(".parquet")]
    return pa.concat_tables([pq.read_table(store.file_path(manifest, file)) for file in parts])


def raw_rows(store: Store, day: str) -> pa.Table:
    return read(store, store.manifest(RAW_IMPRESSIONS, day))


def by_the_file(store: Store, day: str) -> np.ndarray:
    """What the exported file says of the day's raw rows."""
    exported = store.manifest(SERVING_MODEL, CURRENT)
    model = ServedModel(store.file_path(exported, store.file(exported, MODEL_NAME)))
    return model.predict(as_columns(delivered(raw_rows(store, day).select(model.columns))))


@pytest.mark.parametrize("champion", DAYS)
@pytest.mark.parametrize("day", [*DAYS, UNLABELLED])
def test_each_raw_row_has_the_one_probability_of_the_champion(store, champion, day):
    crown(store, champion)
    export_champion(store)
    committed, reported = predict_day(store, day)
    found = read(store, committed)
    assert found.schema.equals(PREDICTIONS_SCHEMA)
    assert found["id"].equals(raw_rows(store, day)["id"])
    assert committed.rows == found.num_rows == reported["dagster/row_count"] > 0
    assert np.abs(found["click_probability"].to_numpy() - by_the_file(store, day)).max() < 1e-5
    assert committed.properties["champion_day"] == champion
    assert committed.properties["undefined_rows"] == 0
    for manifest in (committed, store.manifest(SERVING_MODEL, CURRENT)):
        assert {reference.split("/")[0] for reference in manifest.inputs} == set(MADE_FROM[manifest.table])


@pytest.mark.parametrize("champion", DAYS)
def test_a_file_is_of_the_rows_of_one_raw_file_in_batches_of_any_size(store, monkeypatch, champion):
    crown(store, champion)
    export_champion(store)
    for day in DAYS:
        whole = read(store, predict_day(store, day)[0])
        monkeypatch.setattr(predictions, "_BATCH_ROWS", 100)
        again, _ = predict_day(store, day)
        monkeypatch.undo()
        raw = store.manifest(RAW_IMPRESSIONS, day)
        assert [file.rows for file in again.files] == [file.rows for file in raw.files]
        assert read(store, again)["id"].equals(whole["id"])
        assert np.allclose(read(store, again)["click_probability"], whole["click_probability"], atol=1e-6)
    assert len(raw.files) == 2


def test_a_day_before_the_champions_needs_the_exported_file(store):
    crown(store, DAYS[0])
    export_champion(store)
    crown(store, DAYS[1])
    with pytest.raises(
        ValueError, match=f"serving_model is not of the champion of {DAYS[1]}: materialize serving_model"
    ):
        predict_day(store, DAYS[0])
    assert store.find(CLICK_PREDICTIONS, DAYS[0]) is None
    predict_day(store, DAYS[1])


def test_a_day_with_other_ids_is_predicted_from_its_raw_rows(store):
    crown(store, DAYS[0])
    export_champion(store)
    straight, _ = predict_day(store, DAYS[1])
    old = store.manifest(FEATURE_VOCABULARY, DAYS[1])
    chain = {day: f"other {day}" for day in old.properties["chain"]}
    store.begin(FEATURE_VOCABULARY, DAYS[1]).commit(
        old.files, old.columns, properties={**old.properties, "chain": chain}
    )
    from_raw, _ = predict_day(store, DAYS[1])
    expected = read(store, straight)["click_probability"].to_numpy()
    assert np.abs(read(store, from_raw)["click_probability"].to_numpy() - expected).max() < 1e-5


def test_an_unlabelled_day_gets_a_submission_in_the_order_of_the_delivery(store):
    crown(store, DAYS[1])
    committed, reported = predict_day(store, UNLABELLED)
    with gzip.open(reported["submission"]["raw_value"], "rt") as submission:
        lines = submission.read().splitlines()
    assert lines[0] == "id,click"
    ids, clicks = zip(*(line.split(",") for line in lines[1:]), strict=True)
    assert list(ids) == [row["id"] for row in impressions(UNLABELLED, 700, labelled=False)]
    assert max(map(len, ids)) == 20
    probabilities = read(store, committed)["click_probability"].to_numpy()
    assert np.array(clicks, dtype=np.float32).tolist() == probabilities.tolist()
    again, _ = predict_day(store, UNLABELLED)
    assert again.content_fingerprint == committed.content_fingerprint


def test_a_labelled_day_gets_none(store):
    crown(store, DAYS[1])
    committed, reported = predict_day(store, DAYS[1])
    assert "submission" not in reported
    assert all(file.name.endswith(".parquet") for file in committed.files)


def test_without_a_champion_it_says_what_to_do(store):
    with pytest.raises(NotMaterializedError, match="materialize champion_model"):
        predict_day(store, DAYS[0])


def test_rows_that_were_delivered_again_since_are_not_predicted_by_what_they_were(store):
    crown(store, DAYS[0])
    raw = store.manifest(RAW_IMPRESSIONS, DAYS[1])
    store.begin(RAW_IMPRESSIONS, DAYS[1]).commit(raw.files, raw.columns, properties=raw.properties)
    with pytest.raises(ValueError, match=f"materialize encoded_features for {DAYS[1]} again"):
        predict_day(store, DAYS[1])


# DAYS[0] is predicted from its encoded rows by its own champion, and from its raw rows by a later one; of the raw table
# the first way reads the ids alone, which the middle of the file is no part of.
@pytest.mark.parametrize(
    ("champion", "how"),
    [(DAYS[0], "missing"), (DAYS[0], "cut off"), (DAYS[1], "missing"), (DAYS[1], "cut off"), (DAYS[1], "flipped")],
)
def test_a_damaged_raw_file_is_named(store, champion, how):
    crown(store, champion)
    export_champion(store)
    raw = store.manifest(RAW_IMPRESSIONS, DAYS[0])
    named = damage(store, raw, raw.files[0], how)
    with pytest.raises(UnreadableError, match=f"^{re.escape(named)} cannot be read"):
        predict_day(store, DAYS[0])
    assert store.find(CLICK_PREDICTIONS, DAYS[0]) is None


def test_the_same_model_promoted_again_needs_no_other_file(store):
    crown(store, DAYS[1])
    export_champion(store)
    crown(store, DAYS[1])
    committed, _ = predict_day(store, DAYS[0])
    assert np.abs(read(store, committed)["click_probability"].to_numpy() - by_the_file(store, DAYS[0])).max() < 1e-5


def test_a_day_without_rows_has_predictions_without_rows(store):
    crown(store, DAYS[0])
    old = store.manifest(ENCODED_FEATURES, DAYS[1])
    raw = store.begin(RAW_IMPRESSIONS, DAYS[1]).commit([], store.manifest(RAW_IMPRESSIONS, DAYS[1]).columns)
    splits = dict.fromkeys(old.properties["splits"], 0)
    properties = {**old.properties, "splits": splits}
    store.begin(ENCODED_FEATURES, DAYS[1]).commit([], old.columns, inputs=[raw], properties=properties)
    committed, reported = predict_day(store, DAYS[1])
    assert committed.rows == 0
    assert "submission" not in reported
