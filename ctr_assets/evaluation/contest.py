"""A day's model against the champion, on the same rows and by the same rule for whoever asks: report or promotion."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.promotion import Decision, decide
from ctr_assets.evaluation.scored import BASELINES, MODELS, NAMES, WIDE_DEEP, ClickScorer, RowsOf, score_rows
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CURRENT,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    WIDE_DEEP_MODEL,
)


@dataclass(frozen=True)
class Contest:
    """What a decision was made from, and the decision. Loglosses are nats a row, all on the same test rows."""

    candidate: Manifest
    evaluation: Manifest
    champion: Manifest | None
    champion_scores: npt.NDArray[np.float32] | None
    """The champion's probability of each test row in the order of ``scored_impressions``; None when not comparable."""
    loglosses: dict[str, float | None]
    """Of each evaluated model."""
    champion_logloss: float | None
    is_champion: bool
    """Whether the candidate is the very model that is the champion."""
    decision: Decision


def hold_contest(store: Store, day: str, load_champion: Callable[[Manifest], ClickScorer]) -> Contest:
    """Judge the day's model as it was evaluated against the champion as it is now; commits nothing.

    Raises ValueError when a model or its rows changed after the evaluation.
    """
    candidate, evaluation = evaluated_candidate(store, day)
    figures = evaluation.properties["metrics"][RowsOf.TEST.value]
    loglosses = {model: figures[model]["logloss"] for model in MODELS}
    champion, scorer, reason = find_rival(store, day, candidate.properties["vocabulary_fingerprint"], load_champion)
    scores = champion_logloss = None
    if scorer is not None:
        labels, scores = score_as_evaluated(store, evaluation, scorer)
        champion_logloss = evaluate(labels, scores).logloss
    is_champion = champion is not None and champion.properties["model_version"] == candidate.version
    if is_champion:
        decision = Decision(False, "the candidate is the champion already", ())
    else:
        baselines = {f"the {NAMES[model]}": loglosses[model] for model in BASELINES}
        no_comparison = None if reason is None else f"{reason}: the baselines decide"
        decision = decide(loglosses[WIDE_DEEP], baselines, champion_logloss, no_comparison=no_comparison)
    return Contest(candidate, evaluation, champion, scores, loglosses, champion_logloss, is_champion, decision)


def find_rival(
    store: Store, day: str, fingerprint: str, load_champion: Callable[[Manifest], ClickScorer]
) -> tuple[Manifest | None, ClickScorer | None, str | None]:
    """The champion, and its scorer; or, where it cannot score rows of ``day`` encoded by a vocabulary, why not.

    A champion whose files are damaged is as good as none: otherwise nothing could ever take its place.
    """
    try:
        champion = store.find(CHAMPION_MODEL, CURRENT)
    except UnreadableError as e:
        return None, None, f"The champion is damaged: {e}"
    if champion is None:
        return None, None, "There is no champion yet"
    reason = why_not_readable(store, champion, day, fingerprint)
    if reason is not None:
        return champion, None, reason
    try:
        return champion, load_champion(champion), None
    except UnreadableError as e:
        return None, None, f"The champion is damaged: {e}"


def evaluated_candidate(store: Store, day: str) -> tuple[Manifest, Manifest]:
    """The day's model and its evaluation. Raises ValueError when the evaluation is of another version of the model."""
    evaluation = store.manifest(EVALUATION_METRICS, day)
    return as_evaluated(store, evaluation, WIDE_DEEP_MODEL), evaluation


def as_evaluated(store: Store, evaluation: Manifest, table: str) -> Manifest:
    """A table of the evaluation's day; ValueError when the evaluation was made from another version of it."""
    day = evaluation.partition
    manifest = store.manifest(table, day)
    evaluated = evaluation.inputs.get(manifest.reference)
    if evaluated != manifest.version:
        raise ValueError(
            f"{EVALUATION_METRICS}[{day}] is of version {evaluated} of {table}[{day}], which is now "
            f"{manifest.version}: materialize {EVALUATION_METRICS} for {day} again"
        )
    return manifest


def why_not_readable(store: Store, champion: Manifest, day: str, fingerprint: str) -> str | None:
    """Why the champion cannot read rows encoded by the vocabulary of ``day`` with this fingerprint; None when it can.

    It can when one vocabulary is a prefix of the other: the later day's chain then holds both fingerprints.
    """
    fingerprints = [
        (str(champion.properties["day"]), champion.properties["vocabulary_fingerprint"]),
        (day, fingerprint),
    ]
    later = max(day for day, _ in fingerprints)
    vocabulary = store.find(FEATURE_VOCABULARY, later)
    chain = {} if vocabulary is None else vocabulary.properties["chain"]
    if all(chain.get(day) == fingerprint for day, fingerprint in fingerprints):
        return None
    return (
        f"The champion of {champion.properties['day']} cannot read these rows: its ids are not those of "
        f"{FEATURE_VOCABULARY}[{later}]"
    )


def evaluated_days(store: Store, evaluation: Manifest) -> list[Manifest]:
    """The encoded days of the evaluation's window, oldest first; ValueError when one changed since."""
    day = evaluation.partition
    encoded = [store.manifest(ENCODED_FEATURES, each) for each in sorted(set(evaluation.properties["window"]))]
    changed = [each.partition for each in encoded if evaluation.inputs.get(each.reference) != each.version]
    if changed:
        raise ValueError(
            f"{ENCODED_FEATURES} of {', '.join(changed)} changed after {EVALUATION_METRICS}[{day}] was made: "
            f"materialize {EVALUATION_METRICS} for {day} again"
        )
    return encoded


def score_as_evaluated(
    store: Store, evaluation: Manifest, scorer: ClickScorer
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Labels and a model's probabilities of the very test rows that the evaluation was made on; ValueError otherwise.

    In the order of ``scored_impressions``.
    """
    labels, probabilities = score_rows(store, evaluated_days(store, evaluation), RowsOf.TEST, scorer)
    rows = evaluation.properties["metrics"][RowsOf.TEST.value][WIDE_DEEP]["rows"]
    if len(labels) != rows:
        raise ValueError(
            f"{len(labels):,} test rows of {evaluation.partition} instead of {rows:,}: "
            f"materialize {EVALUATION_METRICS} for {evaluation.partition} again"
        )
    return labels, probabilities
