"""Whether to train, for which days, and why: one pure decision over the manifests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ctr_assets.automation.state import Manifests
from ctr_assets.features import Split
from ctr_assets.storage import Manifest, fingerprint
from ctr_assets.tables import CHAMPION_VALIDATION, ENCODED_FEATURES, FEATURE_VOCABULARY, WIDE_DEEP_MODEL

DECIDED_FROM = (FEATURE_VOCABULARY, ENCODED_FEATURES, WIDE_DEEP_MODEL, CHAMPION_VALIDATION)


@dataclass(frozen=True)
class Policy:
    """When a new model is worth its cost. Normalized entropy is logloss over that of the rows' own click rate; its
    increase is relative to the champion's at its promotion."""

    train_after_days: int = 1
    max_normalized_entropy_increase: float = 0.02
    max_calibration_error: float = 0.1


@dataclass(frozen=True)
class Training:
    """A day to train for, and why. The same inputs give the same ``run_key``.

    ``from_scratch``: the champion does badly, so the new model must not go on from an old one.
    """

    day: str
    run_key: str
    why: str
    from_scratch: bool = False


@dataclass(frozen=True)
class Decision:
    """``reason`` says why nothing, or nothing more, is trained."""

    trainings: tuple[Training, ...]
    reason: str


def decide_retraining(
    tables: Mapping[str, Manifests],
    policy: Policy,
    window_of: Callable[[str], Sequence[str]],
    failed_check: Callable[[str], str | None],
) -> Decision:
    """Which models to train, out of the current manifests of ``DECIDED_FROM``.

    First each model whose inputs have changed; then the newest labelled day, if enough labelled days are newer than the
    newest model or the champion does badly on it. ``window_of`` gives the days that a model of a day is trained on,
    ``failed_check`` says what a day's blocking checks object to, None when they all passed.
    """
    again, objections = [], []
    for day, model in sorted(tables[WIDE_DEEP_MODEL].items()):
        changed = changed_inputs(tables, day, model)
        if not changed:
            continue
        objection = _missing(tables, window_of(day)) or _first(failed_check(each) for each in changed)
        if objection:
            objections.append(f"The model of {day} is out of date but not trained again: {objection}")
        else:
            why = f"it was trained on what has changed since: {', '.join(changed)}"
            read = sorted({*window_of(day), *changed})
            again.append(Training(day, run_key(tables, day, read), why))
    new, reason = _newest(tables, policy, window_of, failed_check)
    return Decision((*again, *new), "; ".join([*objections, reason]))


def changed_inputs(tables: Mapping[str, Manifests], day: str, model: Manifest) -> list[str]:
    """The days whose encoded rows or ids are no longer those that the model of ``day`` has learnt from.

    Equal content counts as unchanged. A model that went on from others has learnt from their days too; a day that it
    has not learnt from does not matter.
    """
    learnt: Mapping[str, str] = model.properties.get("learnt", {})
    changed = {
        each
        for each, encoded in tables[ENCODED_FEATURES].items()
        if (encoded.reference in model.inputs and not model.was_made_from(encoded))
        or learnt.get(each, encoded.content_fingerprint) != encoded.content_fingerprint
    }
    vocabulary = tables[FEATURE_VOCABULARY].get(day)
    if vocabulary is not None:
        same_ids = model.properties.get("vocabulary_fingerprint") == vocabulary.properties["chain"][day]
        if not (same_ids and model.was_made_from(vocabulary)):
            changed.add(day)
    return sorted(changed)


def run_key(tables: Mapping[str, Manifests], day: str, window: Sequence[str]) -> str:
    """The day and a fingerprint of the versions that a model of it would read now."""
    inputs = [tables[FEATURE_VOCABULARY].get(day), *(tables[ENCODED_FEATURES].get(each) for each in window)]
    return f"{day}:{fingerprint([m.version for m in inputs if m is not None])[:16]}"


def is_labelled(encoded: Manifest) -> bool:
    """Whether a day has rows to learn from or to be measured on."""
    splits: Mapping[str, int] = encoded.properties.get("splits", {})
    return any(rows for split, rows in splits.items() if split != Split.UNLABELLED.value)


def why_champion_does_badly(validation: Manifest | None, policy: Policy) -> str | None:
    """What ``champion_validation`` of a day holds against the champion, as a clause; None when nothing."""
    if validation is None or not validation.properties["metrics"]:
        return None
    measured: Mapping[str, Any] = validation.properties["metrics"]
    champion = f"the champion of {validation.properties['champion_day']}"
    entropy = measured.get("normalized_entropy")
    reference = (validation.properties.get("reference") or {}).get("normalized_entropy")
    if entropy is not None and reference:
        increase = entropy / reference - 1
        if increase > policy.max_normalized_entropy_increase:
            return (
                f"the normalized entropy of {champion} grew by {increase:.1%} from {reference:.4f} to {entropy:.4f}, "
                f"more than {policy.max_normalized_entropy_increase:.1%}"
            )
    ratio = measured.get("calibration_ratio")
    if ratio is not None and abs(ratio - 1) > policy.max_calibration_error:
        return (
            f"{champion} predicts {ratio:.3f} times the clicks there are, more than "
            f"{policy.max_calibration_error:g} off"
        )
    return None


def _newest(
    tables: Mapping[str, Manifests],
    policy: Policy,
    window_of: Callable[[str], Sequence[str]],
    failed_check: Callable[[str], str | None],
) -> tuple[list[Training], str]:
    """The training for the newest labelled day, if it is due, or why it is not."""
    labelled = sorted(day for day, encoded in tables[ENCODED_FEATURES].items() if is_labelled(encoded))
    if not labelled:
        return [], "No encoded day has labelled rows"
    day = labelled[-1]
    trained = max(tables[WIDE_DEEP_MODEL], default="")
    newer = [each for each in labelled if each > trained]
    if not newer:
        return [], f"The newest labelled day, {day}, " + (
            "has a model" if day == trained else f"is before {trained}'s model"
        )
    validation = tables[CHAMPION_VALIDATION].get(day)
    is_current = validation is not None and validation.was_made_from(tables[ENCODED_FEATURES][day])
    against = why_champion_does_badly(validation if is_current else None, policy)
    if not trained:
        why = "there is no model yet"
    elif against is not None:
        why = f"on {day} {against}"
    elif len(newer) >= policy.train_after_days:
        why = f"{_days(len(newer))} with labels came after the newest model, of {trained}"
    else:
        return [], (
            f"{_days(len(newer))} with labels came after the newest model, of {trained}: fewer than "
            f"{policy.train_after_days}, and nothing speaks against the champion on {day}"
        )
    objection = _missing(tables, window_of(day)) or failed_check(day)
    if objection:
        return [], f"{day} is not trained: {objection}"
    training = Training(day, run_key(tables, day, window_of(day)), why, from_scratch=against is not None)
    return [training], "Nothing else is due"


def _missing(tables: Mapping[str, Manifests], window: Sequence[str]) -> str | None:
    """What a training on the window would refuse for."""
    missing = [day for day in window if day not in tables[ENCODED_FEATURES]]
    return f"{ENCODED_FEATURES} of its window lacks {', '.join(missing)}" if missing else None


def _first(objections: Any) -> str | None:
    return next((objection for objection in objections if objection), None)


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"
