"""A damaged model, card or table of scores names its file and what to materialize, whoever reads it."""

import hashlib
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from ctr_assets.baselines.trees import GbtScorer
from ctr_assets.baselines.weights import LogisticScorer
from ctr_assets.evaluation.scored import RowsOf, read_scored
from ctr_assets.jobs import champion_validation, evaluation_report
from ctr_assets.jobs.evaluation_metrics import Params, run
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import (
    CHAMPION_VALIDATION,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    GBT_BASELINE,
    LOGISTIC_BASELINE,
    MADE_FROM,
    RAW_IMPRESSIONS,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
    has_partition,
    how_to_materialize,
)
from ctr_assets.training.publish import read_card, read_weights
from ctr_assets.training.score import Scorer
from ctr_assets_tests.damaging import DAMAGES, damage, damage_file, edit_manifest, manifest_path, put
from ctr_assets_tests.evaluation.conftest import DAYS, RecordingReport, window_of
from ctr_assets_tests.evaluation.test_champion_model import _challenge

DAY, NEXT_DAY = DAYS[1], DAYS[2]
READERS: dict[str, tuple[str, str, Callable[[Store, Manifest], Any]]] = {
    "card": (WIDE_DEEP_MODEL, "card.json", read_card),
    "weights": (WIDE_DEEP_MODEL, "model.safetensors", read_weights),
    "scorer's card": (WIDE_DEEP_MODEL, "card.json", Scorer.load),
    "scorer's weights": (WIDE_DEEP_MODEL, "model.safetensors", Scorer.load),
    "trees": (GBT_BASELINE, "trees.json", GbtScorer.load),
    "card of the trees": (GBT_BASELINE, "model_card.json", GbtScorer.load),
    "logistic weights": (LOGISTIC_BASELINE, "weights.safetensors", LogisticScorer.load),
    "card of the logistic weights": (LOGISTIC_BASELINE, "model_card.json", LogisticScorer.load),
    "scores": (SCORED_IMPRESSIONS, "test.parquet", lambda store, m: read_scored(store, m, RowsOf.TEST, "gbt")),
    "report": (EVALUATION_METRICS, "metrics.json", lambda store, m: store.read(m, m.files[0])),
}


# The middle of a small Parquet file may be a part that is not read.
SEEN_DAMAGES = [
    (reader, how)
    for reader, (_, name, _) in READERS.items()
    for how in DAMAGES
    if not (name.endswith("parquet") and how == "flipped")
]


@pytest.mark.parametrize(("reader", "how"), SEEN_DAMAGES)
def test_every_reader_of_models_names_the_damaged_file(store: Store, reader: str, how: str):
    table, name, read = READERS[reader]
    manifest = store.manifest(table, DAY)
    read(store, manifest)
    named = damage(store, manifest, store.file(manifest, name), how)
    todo = re.escape(how_to_materialize(table, DAY))
    with pytest.raises(UnreadableError, match=rf"^{re.escape(named)} cannot be read \(.*\): {todo} again$"):
        read(store, manifest)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"features": 3, "config": {}}', b"null"])
@pytest.mark.parametrize("reader", ["scorer's card", "trees", "logistic weights"])
def test_a_card_of_another_shape_names_its_file(store: Store, reader: str, content: bytes):
    """As someone would forge it: size and SHA-256 in the manifest fit."""
    table, name, read = READERS[reader]
    manifest = store.manifest(table, DAY)
    put(store, store.file_path(manifest, store.file(manifest, name)), content)
    forged = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = [{**file.model_dump(), **(forged if file.name == name else {})} for file in manifest.files]
    edit_manifest(store, table, DAY, files=files)
    with pytest.raises(UnreadableError, match=rf"{re.escape(name)} under .* cannot be read .*: materialize {table}"):
        read(store, store.manifest(table, DAY))


@pytest.mark.parametrize(
    ("table", "day"),
    [
        (FEATURE_VOCABULARY, DAY),
        (ENCODED_FEATURES, DAYS[0]),
        (WIDE_DEEP_MODEL, DAY),
        (GBT_BASELINE, DAY),
        (LOGISTIC_BASELINE, DAY),
        (ENCODED_FEATURES, NEXT_DAY),
    ],
)
def test_a_job_that_needs_a_damaged_manifest_fails_and_names_it(store: Store, table: str, day: str):
    damage_file(store, manifest_path(store, table, day), "cut off")
    params = Params(store_url=store.url, day=DAY, window=window_of(DAY), next_day=NEXT_DAY)
    with pytest.raises(
        UnreadableError, match=rf"^{table}/{day}/manifest\.json under .*: materialize {table} for {day}"
    ):
        run(params, RecordingReport())


def test_the_report_of_a_day_whose_evaluation_is_damaged_says_so(store: Store):
    damage_file(store, manifest_path(store, EVALUATION_METRICS, DAY), "empty")
    with pytest.raises(UnreadableError, match=rf"^{EVALUATION_METRICS}/{DAY}/manifest\.json"):
        evaluation_report.run(evaluation_report.Params(store_url=store.url, day=DAY), RecordingReport())


@pytest.mark.parametrize("what", ["manifest.json", "model.safetensors"])
def test_a_day_is_validated_without_a_champion_that_is_damaged_and_says_so(store: Store, what: str):
    _challenge(store, DAY)
    champion = store.manifest("champion_model", "current")
    path = manifest_path(store, "champion_model", "current")
    damage_file(store, path if what == "manifest.json" else store.file_path(champion, champion.files[0]), "cut off")
    report = RecordingReport()
    champion_validation.run(champion_validation.Params(store_url=store.url, day=NEXT_DAY), report)
    committed = store.manifest(CHAMPION_VALIDATION, NEXT_DAY)
    assert committed.properties["note"] == report.metadata["note"]
    assert re.search(
        rf"The champion is damaged: .*{what}.*: materialize champion_model again$", report.metadata["note"]
    )
    assert committed.properties["metrics"] is None


def test_the_inputs_of_every_table_are_those_that_the_vacuum_keeps_for_it(store: Store):
    _challenge(store, DAY)
    champion_validation.run(champion_validation.Params(store_url=store.url, day=NEXT_DAY), RecordingReport())
    evaluation_report.run(evaluation_report.Params(store_url=store.url, day=DAY), RecordingReport())
    seen = {}
    for table, partition in itertools.product(MADE_FROM, (*DAYS, "current")):
        manifest = store.find(table, partition) if has_partition(table, partition) else None
        if manifest is not None:
            seen[table] = {reference.split("/")[0] for reference in manifest.inputs}
            assert seen[table] <= set(MADE_FROM[table])
    # The small store's raw tables and vocabularies are written by hand, without inputs.
    # What is served is of real rows: serving/test_serving_model.py.
    unmade = {"quarantined_rows", "impression_profile", "serving_model", "click_predictions"}
    assert seen.keys() >= MADE_FROM.keys() - unmade
    assert all(seen[table] for table in seen.keys() - {RAW_IMPRESSIONS, FEATURE_VOCABULARY})
