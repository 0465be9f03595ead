"""The champion as one file: committed only when it says what the champion says, and of use without this project."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctr_assets.features import FEATURES, Split
from ctr_assets.jobs import serving_model
from ctr_assets.serving import equality
from ctr_assets.serving.equality import Comparison, as_columns, compare
from ctr_assets.serving.export import ExportError
from ctr_assets.serving.session import MODEL_NAME, PROBABILITY, SAMPLE_NAME, ServedModel
from ctr_assets.storage import NotMaterializedError, Store
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CURRENT,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    SERVING_MODEL,
    WIDE_DEEP_MODEL,
)
from ctr_assets.training.score import Scorer
from ctr_assets_tests.deliveries import deliver, impressions
from ctr_assets_tests.evaluation.conftest import assert_as_contracted
from ctr_assets_tests.serving.conftest import DAYS, UNLABELLED, crown, export_champion, scored_bare


def path_of(store: Store, name: str = MODEL_NAME) -> str:
    committed = store.manifest(SERVING_MODEL, CURRENT)
    return store.file_path(committed, store.file(committed, name))


def sample_of(store: Store) -> pa.Table:
    return pa.parquet.read_table(path_of(store, SAMPLE_NAME))


def test_the_file_says_what_the_champion_says_of_every_test_row(store):
    crown(store, DAYS[1])
    committed, reported = export_champion(store)
    assert_as_contracted(SERVING_MODEL, reported)
    encoded = store.manifest(ENCODED_FEATURES, DAYS[1])
    assert reported["compared_rows"] == encoded.properties["splits"]["test"] > 200
    assert 0 < reported["greatest_difference"] < 1e-6
    scorer = Scorer.load(store, store.manifest(CHAMPION_MODEL, CURRENT))
    again = compare(store, ServedModel(path_of(store)), scorer, encoded)
    assert again.greatest_difference == committed.properties["greatest_difference"]
    assert again.sample.equals(sample_of(store))
    assert np.ptp(sample_of(store)[PROBABILITY].to_numpy()) > 0.05


def test_the_file_tells_which_model_it_is(store):
    champion = crown(store, DAYS[0])
    export_champion(store)
    told = ServedModel(path_of(store)).metadata
    assert told["model_day"] == DAYS[0]
    assert told["model_version"] == champion.properties["model_version"]
    assert told["vocabulary_fingerprint"] == store.manifest(FEATURE_VOCABULARY, DAYS[0]).properties["chain"][DAYS[0]]
    assert json.loads(told["columns"]) == list(ServedModel(path_of(store)).columns)
    assert told["code_version"] == "1"


def test_only_onnxruntime_and_numpy_are_needed(store, tmp_path):
    crown(store, DAYS[1])
    export_champion(store)
    delivered = impressions(DAYS[1], 600, seed=1)
    found = scored_bare(path_of(store), deliver(tmp_path, "rows.csv.gz", delivered))
    model = ServedModel(path_of(store))
    columns = {name: np.array([row[name] for row in delivered], dtype=object) for name in model.columns}
    assert [id for id, _ in found] == [row["id"] for row in delivered]
    assert np.abs(np.array([probability for _, probability in found]) - model.predict(columns)).max() < 1e-6


def test_the_same_champion_again_keeps_the_version_that_servers_have(store):
    crown(store, DAYS[1])
    first, _ = export_champion(store)
    again, _ = export_champion(store)
    assert again == first
    crown(store, DAYS[0])
    other, _ = export_champion(store)
    assert other.version != first.version


def test_a_damaged_version_is_replaced(store):
    crown(store, DAYS[1])
    first, _ = export_champion(store)
    Path(store.path(SERVING_MODEL, CURRENT, "manifest.json")).write_text("{")
    again, _ = export_champion(store)
    assert again.version != first.version
    assert ServedModel(path_of(store)).metadata["model_day"] == DAYS[1]


class Wrong:
    """A trained model that says something else than its weights."""

    def __init__(self, scorer: Scorer, by: float) -> None:
        self.scorer, self.by, self.card, self.model = scorer, by, scorer.card, scorer.model

    def predict(self, table):
        return self.scorer.predict(table) + np.float32(self.by)


@pytest.mark.parametrize(("by", "said"), [(2e-5, "a probability differs by 2e-05"), (float("nan"), "are NaN")])
def test_a_file_that_says_something_else_is_not_committed(store, monkeypatch, by, said):
    crown(store, DAYS[1])
    before, _ = export_champion(store)
    write = serving_model.write_model
    monkeypatch.setattr(serving_model, "write_model", lambda *args: Wrong(write(*args), by))
    with pytest.raises(ExportError, match=f"is not the champion: .*{said}.*nothing was committed"):
        export_champion(store)
    assert store.manifest(SERVING_MODEL, CURRENT) == before


def test_without_a_champion_it_says_what_to_do(store):
    with pytest.raises(NotMaterializedError, match="materialize champion_model"):
        export_champion(store)


def test_a_champion_whose_vocabulary_was_replaced_is_refused(store):
    crown(store, DAYS[1])
    old = store.manifest(FEATURE_VOCABULARY, DAYS[1])
    properties = {**old.properties, "chain": {**old.properties["chain"], DAYS[1]: "other"}}
    store.begin(FEATURE_VOCABULARY, DAYS[1]).commit(old.files, old.columns, properties=properties)
    with pytest.raises(ExportError, match=f"materialize wide_deep_model for {DAYS[1]} again and promote it"):
        export_champion(store)


def test_a_champion_whose_rows_are_encoded_otherwise_by_now_is_not_served_unseen(store):
    crown(store, DAYS[1])
    old = store.manifest(ENCODED_FEATURES, DAYS[1])
    properties = {**old.properties, "vocabulary_fingerprint": "other"}
    store.begin(ENCODED_FEATURES, DAYS[1]).commit(old.files, old.columns, properties=properties)
    with pytest.raises(ExportError, match=f"materialize encoded_features for {DAYS[1]} again"):
        export_champion(store)


def test_many_test_rows_are_compared_in_part_evenly(store, monkeypatch):
    crown(store, DAYS[1])
    export_champion(store)
    monkeypatch.setattr(equality, "LEAST_ROWS", 70)
    encoded = store.manifest(ENCODED_FEATURES, DAYS[1])
    of_test = encoded.properties["splits"][Split.TEST.value]
    scorer = Scorer.load(store, store.manifest(CHAMPION_MODEL, CURRENT))
    found = compare(store, ServedModel(path_of(store)), scorer, encoded)
    step = of_test // 70
    assert step > 1
    assert found.rows == -(-of_test // step) >= 70


@pytest.mark.parametrize(
    ("rows", "greatest", "undefined", "fine"),
    [(1, 1e-5, 0, True), (1, 1.01e-5, 0, False), (5, 0.0, 1, False), (0, 0.0, 0, False)],
)
def test_what_may_be_used(rows, greatest, undefined, fine):
    comparison = Comparison(rows, greatest, undefined, pa.table({}))
    assert (comparison.problem is None) is fine


def test_the_card_is_for_people(store):
    champion = crown(store, DAYS[1])
    _, reported = export_champion(store)
    card = Path(path_of(store, "model_card.md")).read_text()
    assert reported["model_card"]["raw_value"] == card
    assert f"| {DAYS[0]} to {DAYS[1]} (2 days) |" in card
    assert f"| version | {champion.properties['model_version']} |" in card
    assert all(f"`{name}`" in card for name in ServedModel(path_of(store)).columns)
    sizes = store.manifest(FEATURE_VOCABULARY, DAYS[1]).properties["sizes"]
    assert f"| {sizes['device_ip']} |" in next(line for line in card.splitlines() if line.startswith("| device_ip |"))
    assert len([feature for feature in FEATURES if feature.name in card.replace("\\", "")]) == len(FEATURES)


def test_the_lines_of_the_card_that_ask_the_file_run(store, monkeypatch):
    crown(store, DAYS[1])
    export_champion(store)
    card = Path(path_of(store, "model_card.md"))
    monkeypatch.chdir(card.parent)
    told: dict[str, Any] = {}
    exec(card.read_text().split("```python\n")[1].split("```")[0].replace("session.run", "answer = session.run"), told)
    assert 0 < told["answer"][0][0] < 1


def evaluate_again(store: Store, version: str, logloss: float) -> None:
    """Commit an evaluation of a version of the model of the second day, its scored rows gone since."""
    of = {"rows": 100, "clicks": 20, "logloss": logloss, "roc_auc": 0.7, "calibration_ratio": 1.1, "notes": []}
    properties = {"metrics": {"next_day": {"wide_deep": of}}, "next_day": UNLABELLED}
    model = store.manifest(WIDE_DEEP_MODEL, DAYS[1]).model_copy(update={"version": version})
    store.begin(EVALUATION_METRICS, DAYS[1]).commit([], {}, inputs=[model], properties=properties)


def test_the_card_has_the_newest_figures_of_the_champion(store):
    champion = crown(store, DAYS[1])
    before, _ = export_champion(store)
    evaluate_again(store, champion.properties["model_version"], 0.12345)
    after, reported = export_champion(store)
    assert "| next day | Wide & Deep | 100 | 20 | 0.1235 |" in reported["model_card"]["raw_value"]
    assert after.version != before.version
    assert {f.name: f.sha256 for f in after.files if f.name != "model_card.md"} == {
        f.name: f.sha256 for f in before.files if f.name != "model_card.md"
    }


@pytest.mark.parametrize("gone", ["another model", "damaged"])
def test_where_its_evaluation_is_gone_the_card_has_the_figures_of_its_promotion(store, gone):
    champion = crown(store, DAYS[1], test_metrics={"rows": 50, "clicks": 10, "logloss": 0.5, "notes": []})
    evaluate_again(store, "another" if gone == "another model" else champion.properties["model_version"], 0.12345)
    if gone == "damaged":
        Path(store.path(EVALUATION_METRICS, DAYS[1], "manifest.json")).write_text("{")
    _, reported = export_champion(store)
    card = reported["model_card"]["raw_value"]
    assert "0.1235" not in card
    assert "| test | Wide & Deep | 50 | 10 | 0.5000 |" in card


def test_columns_are_given_as_they_were_delivered(store):
    crown(store, DAYS[1])
    export_champion(store)
    columns = as_columns(sample_of(store).slice(0, 3))
    assert all(len(hour) == 8 and hour.startswith("1410") for hour in columns["hour"])
