import re
from typing import Any

import pytest

from ctr_assets.evaluation.evaluated import evaluated_candidate
from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.promotion import Decision
from ctr_assets.evaluation.scored import RowsOf, score_rows
from ctr_assets.jobs import champion_model
from ctr_assets.jobs.champion_model import promote
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CURRENT,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    WIDE_DEEP_MODEL,
)
from ctr_assets_tests.damaging import damage, damage_file, manifest_path
from ctr_assets_tests.evaluation.conftest import (
    DAYS,
    TINY,
    RecordingReport,
    assert_as_contracted,
    evaluate_day,
    train_wide_deep,
    window_of,
)

DAY, NEXT_DAY = DAYS[1], DAYS[2]
WEAK = TINY.model_copy(update={"epochs": 1, "learning_rate": 1e-5, "embedding_learning_rate": 1e-5})
KEYS = {
    *("promoted", "decision", "reasons", "candidate_day", "champion_day", "rows", "version", "path"),
    *("candidate_logloss", "gbt_logloss", "logistic_logloss", "constant_logloss"),
}
COMPARED = {"champion_logloss", "logloss_difference", "standard_error", "compared_on"}


def _challenge(store: Store, day: str) -> dict[str, Any]:
    report = RecordingReport()
    champion_model.run(champion_model.Params(store_url=store.url, day=day), report)
    assert [partition for partition, _ in report.partitions] == [""]
    assert_as_contracted("champion_model", report.metadata)
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
    assert re.search(r"does not beat the GBT \(0\.\d+\) and the logistic regression \(0\.\d+\)", reported["decision"])
    assert set(reported) == KEYS - {"version", "path"}
    assert store.find(CHAMPION_MODEL, CURRENT) is None


def test_a_champion_that_is_better_is_kept_and_nothing_is_committed(store: Store):
    _challenge(store, DAY)
    before = _champion(store)
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    reported = _challenge(store, DAY)
    assert set(reported) == KEYS | COMPARED
    assert reported["promoted"] is False
    assert reported["candidate_logloss"] > reported["champion_logloss"]
    assert "does not beat" in reported["decision"]
    assert _champion(store) == before
    assert len(store.fs.ls(store.path(CHAMPION_MODEL, CURRENT), detail=False)) == 2  # one version and the manifest


def _by_hand(store: Store, day: str) -> Manifest:
    """The day's model, promoted whatever the rule says of it."""
    promote(store, *evaluated_candidate(store, day), Decision(True, "by hand", ()), {})
    return _champion(store)


def _logloss(store: Store, days: list[str], rows_of: RowsOf, model: Manifest) -> float | None:
    from ctr_assets.training.score import Scorer

    encoded = [store.manifest(ENCODED_FEATURES, day) for day in days]
    return evaluate(*score_rows(store, encoded, rows_of, Scorer.load(store, model))).logloss


def test_a_later_model_is_judged_on_the_test_rows_where_no_day_follows_it(store: Store):
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    weak = _by_hand(store, DAY)
    evaluate_day(store, NEXT_DAY)
    reported = _challenge(store, NEXT_DAY)
    assert reported["champion_logloss"] == _logloss(store, window_of(NEXT_DAY), RowsOf.TEST, weak)
    assert reported["compared_on"] == f"test rows of {DAY} to {NEXT_DAY}"
    assert reported["promoted"] is True
    assert reported["champion_day"] == DAY
    assert reported["logloss_difference"] < -2 * reported["standard_error"] < 0
    assert _champion(store).properties["day"] == NEXT_DAY


@pytest.mark.parametrize("next_day_is_evaluated", [True, False])
def test_a_model_of_the_champions_day_is_judged_on_the_day_that_follows_both(store: Store, next_day_is_evaluated: bool):
    """Also where the day came after the evaluation was made."""
    _challenge(store, DAY)
    champion = _champion(store)
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY, NEXT_DAY if next_day_is_evaluated else None)
    reported = _challenge(store, DAY)
    assert reported["compared_on"] == f"rows of {NEXT_DAY}, the day that follows"
    assert reported["rows"] == store.manifest(ENCODED_FEATURES, NEXT_DAY).rows
    assert reported["champion_logloss"] == _logloss(store, [NEXT_DAY], RowsOf.ALL, champion)
    candidate = store.manifest(WIDE_DEEP_MODEL, DAY)
    assert reported["candidate_logloss"] == pytest.approx(_logloss(store, [NEXT_DAY], RowsOf.ALL, candidate), abs=1e-7)
    assert reported["promoted"] is False
    assert f"on {reported['rows']:,} rows of {NEXT_DAY}, the day that follows" in reported["reasons"]["raw_value"]


def test_an_older_model_is_judged_on_the_champions_day_and_must_be_clearly_better(store: Store):
    """Not on its own window, which it knows better than a champion of later days."""
    evaluate_day(store, NEXT_DAY)
    champion = _by_hand(store, NEXT_DAY)
    reported = _challenge(store, DAY)
    assert reported["compared_on"] == f"test rows of {NEXT_DAY}"
    assert reported["champion_logloss"] == _logloss(store, [NEXT_DAY], RowsOf.TEST, champion)
    assert reported["promoted"] is False
    assert "not fresher than the champion, does not beat it" in reported["decision"]
    assert _champion(store) == champion


def test_an_older_model_that_is_clearly_better_replaces_a_champion_of_later_days(store: Store):
    train_wide_deep(store, NEXT_DAY, WEAK)
    evaluate_day(store, NEXT_DAY)
    _by_hand(store, NEXT_DAY)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is True
    assert "the candidate beats the champion: logloss" in reported["decision"]
    assert _champion(store).properties["day"] == DAY


def test_the_same_training_again_does_not_change_the_champion(store: Store):
    _challenge(store, DAY)
    before = _champion(store)
    train_wide_deep(store, DAY)
    evaluate_day(store, DAY, NEXT_DAY)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is False
    assert (reported["logloss_difference"], reported["standard_error"]) == (0, 0)
    assert _champion(store) == before


def test_a_champion_of_the_former_code_is_challenged_as_any_other(store: Store):
    """Its manifest and the evaluation's hold nothing that is newer than the rule."""
    _challenge(store, DAY)
    champion = _champion(store)
    names = ("day", "model_version", "vocabulary_fingerprint", "test_metrics")
    version = store.begin(CHAMPION_MODEL, CURRENT)
    files = [champion_model.copy_file(store, champion, file, version.folder) for file in champion.files]
    version.commit(files, champion.columns, properties={name: champion.properties[name] for name in names})
    evaluate_day(store, NEXT_DAY)
    assert _challenge(store, NEXT_DAY)["champion_day"] == DAY


def test_a_following_day_that_changed_after_the_evaluation_is_refused(store: Store):
    train_wide_deep(store, DAY, WEAK)
    evaluate_day(store, DAY)
    _by_hand(store, DAY)
    train_wide_deep(store, DAY)
    evaluate_day(store, DAY, NEXT_DAY)
    encoded = store.manifest(ENCODED_FEATURES, NEXT_DAY)
    store.begin(ENCODED_FEATURES, NEXT_DAY).commit(encoded.files, encoded.columns, properties=encoded.properties)
    with pytest.raises(ValueError, match=f"{ENCODED_FEATURES} of {NEXT_DAY} changed after evaluation_metrics"):
        _challenge(store, DAY)


def test_the_champion_put_up_again_is_kept(store: Store):
    _challenge(store, DAY)
    before = _champion(store)
    reported = _challenge(store, DAY)
    assert reported["promoted"] is False
    assert "champion already" in reported["decision"]
    assert set(reported) == KEYS
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
    labels, probabilities = score_rows(
        store, [store.manifest(ENCODED_FEATURES, day) for day in window_of(DAY)], RowsOf.TEST, scorer
    )
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
