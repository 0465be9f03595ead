from typing import Any

import pytest

from ctr_assets.evaluation.contest import evaluated_candidate
from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.promotion import Decision
from ctr_assets.evaluation.scored import RowsOf, score_rows
from ctr_assets.jobs import champion_model
from ctr_assets.jobs.champion_model import promote
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.storage.window import check_window
from ctr_assets.tables import CHAMPION_MODEL, CURRENT, EVALUATION_METRICS, FEATURE_VOCABULARY, WIDE_DEEP_MODEL
from ctr_assets_tests.damaging import damage, damage_file, manifest_path
from ctr_assets_tests.evaluation.conftest import DAYS, TINY, RecordingReport, evaluate_day, train_wide_deep, window_of

DAY, NEXT_DAY = DAYS[1], DAYS[2]
WEAK = TINY.model_copy(update={"epochs": 1, "learning_rate": 1e-5, "embedding_learning_rate": 1e-5})
KEYS = {
    *("promoted", "decision", "reasons", "candidate_day", "champion_day", "rows", "version", "path"),
    *("candidate_logloss", "gbt_logloss", "logistic_logloss", "constant_logloss"),
}


def _challenge(store: Store, day: str) -> dict[str, Any]:
    report = RecordingReport()
    champion_model.run(champion_model.Params(store_url=store.url, day=day), report)
    assert [partition for partition, _ in report.partitions] == [""]
    return report.metadata


def _champion(store: Store) -> Manifest:
    return store.manifest(CHAMPION_MODEL, CURRENT)


def test_the_first_model_that_beats_the_baselines_is_promoted(store: Store):
    reported = _challenge(store, DAY)
    assert set(reported) == KEYS
    assert reported["promoted"] is True
    assert reported["champion_day"] == "none"
    assert "There is no champion yet" in reported["reasons"]["raw_value"]
    assert _champion(store).version == reported["version"]
    assert _champion(store).properties["day"] == DAY
    figures = store.manifest(EVALUATION_METRICS, DAY).properties["metrics"]["test"]["wide_deep"]
    assert _champion(store).properties["test_metrics"] == figures


def test_the_first_model_that_does_not_beat_the_baselines_is_not_promoted(store: Store):
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is False
    assert "does not beat the GBT and the logistic regression" in reported["decision"]
    assert set(reported) == KEYS - {"version", "path"}
    assert store.find(CHAMPION_MODEL, CURRENT) is None


def test_a_champion_that_is_better_is_kept_and_nothing_is_committed(store: Store):
    _challenge(store, DAY)
    before = _champion(store)
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    reported = _challenge(store, DAY)
    assert set(reported) == KEYS | {"champion_logloss"}
    assert reported["promoted"] is False
    assert reported["candidate_logloss"] > reported["champion_logloss"]
    assert "does not beat the champion" in reported["decision"]
    assert _champion(store) == before
    assert len(store.fs.ls(store.path(CHAMPION_MODEL, CURRENT), detail=False)) == 2  # one version and the manifest


def test_a_better_model_of_a_later_day_replaces_the_champion_judged_on_the_same_rows(store: Store):
    from ctr_assets.training.score import Scorer

    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    promote(store, *evaluated_candidate(store, DAY), Decision(True, "by hand", ()), {})
    weak = _champion(store)
    evaluate_day(store, NEXT_DAY)
    reported = _challenge(store, NEXT_DAY)
    rows = score_rows(store, check_window(store, NEXT_DAY, window_of(NEXT_DAY)), RowsOf.TEST, Scorer.load(store, weak))
    assert reported["champion_logloss"] == evaluate(*rows).logloss
    assert reported["rows"] == len(rows[0])
    assert reported["promoted"] is True
    assert reported["champion_day"] == DAY
    assert _champion(store).properties["day"] == NEXT_DAY


def test_the_champion_put_up_again_is_kept(store: Store):
    _challenge(store, DAY)
    before = _champion(store)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is False
    assert "champion already" in reported["decision"]
    assert reported["champion_logloss"] == pytest.approx(reported["candidate_logloss"], rel=1e-6)
    assert _champion(store) == before


def test_a_champion_that_cannot_read_the_rows_leaves_the_decision_to_the_baselines(store: Store):
    _challenge(store, DAY)
    champion = _champion(store)
    other = {**champion.properties, "vocabulary_fingerprint": "of another vocabulary", "model_version": "other"}
    version = store.begin(CHAMPION_MODEL, CURRENT)
    files = [champion_model.copy_file(store, champion, file, version.folder) for file in champion.files]
    unreadable = version.commit(files, champion.columns, properties=other)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is True
    assert "cannot read these rows" in reported["reasons"]["raw_value"]
    assert "champion_logloss" not in reported
    assert _champion(store).version != unreadable.version


def test_deleting_the_days_model_does_not_hurt_the_champion(store: Store):
    from ctr_assets.training.score import Scorer

    _challenge(store, DAY)
    store.remove_tree(WIDE_DEEP_MODEL, DAY)
    scorer = Scorer.load(store, _champion(store))
    labels, probabilities = score_rows(store, check_window(store, DAY, window_of(DAY)), RowsOf.TEST, scorer)
    assert evaluate(labels, probabilities).logloss is not None


def test_a_model_retrained_after_its_evaluation_is_refused(store: Store):
    train_wide_deep(store, DAY, WEAK)
    with pytest.raises(ValueError, match=f"materialize evaluation_metrics for {DAY} again"):
        _challenge(store, DAY)


def test_rows_that_changed_after_the_evaluation_are_refused(store: Store):
    _challenge(store, DAY)
    encoded = store.manifest("encoded_features", DAY)
    store.begin("encoded_features", DAY).commit(encoded.files, encoded.columns, properties=encoded.properties)
    with pytest.raises(ValueError, match=f"encoded_features of {DAY} changed after evaluation_metrics"):
        _challenge(store, DAY)


def test_a_damaged_model_is_not_promoted(store: Store):
    model = store.manifest(WIDE_DEEP_MODEL, DAY)
    with open(store.file_path(model, model.files[-1]), "ab") as file:
        file.write(b"\n")
    with pytest.raises(ValueError, match="is not what its manifest names"):
        _challenge(store, DAY)
    assert store.find(CHAMPION_MODEL, CURRENT) is None


@pytest.mark.parametrize("what", ["manifest.json", "model.safetensors", "card.json"])
@pytest.mark.parametrize("how", ["empty", "cut off", "flipped"])
def test_a_damaged_champion_is_as_good_as_none_and_is_replaced(store: Store, what: str, how: str):
    _challenge(store, DAY)
    champion = _champion(store)
    if what == "manifest.json":
        named = f"champion_model/current/manifest.json under {store.url}"
        damage_file(store, manifest_path(store, CHAMPION_MODEL, CURRENT), how)
    else:
        named = damage(store, champion, store.file(champion, what), how)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is True
    assert f"The champion is damaged: {named} cannot be read" in reported["reasons"]["raw_value"]
    assert reported["champion_day"] == "none"
    assert _champion(store).version not in (champion.version, "none")
    assert _challenge(store, DAY)["decision"].endswith("the candidate is the champion already")


def test_a_damaged_vocabulary_is_not_held_against_the_champion(store: Store):
    _challenge(store, DAY)
    before = _champion(store)
    damage_file(store, manifest_path(store, FEATURE_VOCABULARY, DAY), "cut off")
    with pytest.raises(UnreadableError, match=f"^feature_vocabulary/{DAY}/manifest.json under .* cannot be read"):
        _challenge(store, DAY)
    assert _champion(store) == before
