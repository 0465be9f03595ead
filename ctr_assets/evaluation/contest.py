"""A day's model against the champion, by the same rule for whoever asks: report, check or promotion.

They are judged on the rows of the day that follows both, of which neither has learnt (progressive validation, McMahan
et al., "Ad click prediction: a view from the trenches", KDD 2013). Where there is no such day yet, the test split
decides: that of the candidate's window, or of the champion's own day where the candidate is the older one, since an
old model is at its best on old days.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np
import numpy.typing as npt

from ctr_assets.days import shift
from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.promotion import Decision, decide
from ctr_assets.evaluation.scored import (
    CONSTANT,
    GBT,
    WIDE_DEEP,
    ClickScorer,
    RowsOf,
    count_rows,
    read_scored,
    score_rows,
)
from ctr_assets.evaluation.uncertainty import compare, read_clusters
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CHAMPION_VALIDATION,
    CURRENT,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
)

ACCOUNT_DAYS: Final = 7
"""Days over which the account of the champion beside newer models is told: the week that days of traffic differ in."""
LOOK_AHEAD: Final = 7
"""Days after both models among which the first with labelled rows is looked for."""

Labels = npt.NDArray[np.int8]
Probabilities = npt.NDArray[np.float32]
LoadModel = Callable[[Manifest], ClickScorer]


@dataclass(frozen=True)
class Contest:
    """What a decision was made from, and the decision. Loglosses are nats a row."""

    candidate: Manifest
    evaluation: Manifest
    champion: Manifest | None
    champion_scores: Callable[[RowsOf], tuple[Labels, Probabilities]] | None
    """Labels and the champion's probabilities of evaluated rows, in the order of ``scored_impressions``; None when
    there is no champion that can read them, or it is the candidate itself."""
    rows_of: RowsOf
    """The evaluated rows that the baselines are compared on."""
    loglosses: dict[str, float | None]
    """Of each evaluated model on those rows."""
    comparison: Comparison | None
    is_champion: bool
    """Whether the candidate is the very model that is the champion."""
    decision: Decision


def hold_contest(store: Store, day: str, load_model: LoadModel) -> Contest:
    """Judge the day's model as it was evaluated against the champion as it is now; commits nothing.

    Raises ValueError when a model or its rows changed after the evaluation.
    """
    candidate, evaluation = evaluated_candidate(store, day)
    for scored in evaluation.properties["metrics"]:
        evaluated_days(store, evaluation, RowsOf(scored))
    champion, scorer, reason = find_rival(store, day, candidate.properties["vocabulary_fingerprint"], load_model)
    is_champion = champion is not None and champion.properties["model_version"] == candidate.version
    rows_of = judged_on(evaluation, champion)
    loglosses = {
        model: figures["logloss"] for model, figures in evaluation.properties["metrics"][rows_of.value].items()
    }
    baselines = {"the GBT baseline": loglosses[GBT], "the constant rate": loglosses[CONSTANT]}
    comparison = champion_scores = None
    if is_champion:
        decision = Decision(False, "the candidate is the champion already", ())
    else:
        if champion is not None and scorer is not None:
            champion_scores = cache(partial(score_as_evaluated, store, evaluation, scorer))
            unlearnt = unlearnt_day(store, champion, evaluation) if rows_of is RowsOf.TEST else None
            if unlearnt is not None:
                comparison = compare_scorers(store, *unlearnt, load_model(candidate), scorer)
            elif day >= champion.properties["day"]:
                comparison = compare_as_evaluated(store, evaluation, rows_of, *champion_scores(rows_of))
        told = None if champion is None else account(store, champion, max(day, day_of(champion)))
        decision = decide(
            loglosses[WIDE_DEEP],
            baselines,
            comparison,
            is_fresher=champion is not None and day > champion.properties["day"],
            no_comparison=None if reason is None else f"{reason}: the baselines decide",
            account=None if told is None else f"On days that were new, the newest models beside it: {told.text}",
        )
    return Contest(
        candidate, evaluation, champion, champion_scores, rows_of, loglosses, comparison, is_champion, decision
    )


def account(store: Store, champion: Manifest, newest: str) -> Comparison | None:
    """What ``champion_validation`` keeps of the champion beside the newest models, over the last days that were new.

    It is told and does not decide: its models are not the candidate (``docs/promotion.md``). A day whose manifest is
    damaged is left out. None where nothing is kept.
    """
    kept: list[Comparison] = []
    for day in (shift(newest, -n) for n in range(ACCOUNT_DAYS)):
        try:
            validation = store.find(CHAMPION_VALIDATION, day)
        except UnreadableError:
            continue
        told = {} if validation is None else validation.properties
        comparison = Comparison.from_properties(told.get("comparison"))
        if comparison is not None and told["champion_version"] == champion.properties["model_version"]:
            kept.append(comparison)
    return Comparison.of_days(kept) if kept else None


def judged_on(evaluation: Manifest, champion: Manifest | None) -> RowsOf:
    """The evaluated rows that tell most: those of the next day, unless it is missing or the champion learnt from it."""
    has_next_day = RowsOf.NEXT_DAY.value in evaluation.properties["metrics"]
    is_newer = champion is not None and champion.properties["day"] > evaluation.partition
    return RowsOf.NEXT_DAY if has_next_day and not is_newer else RowsOf.TEST


def compare_as_evaluated(
    store: Store, evaluation: Manifest, rows_of: RowsOf, labels: Labels, champion: Probabilities
) -> Comparison | None:
    """The evaluated model beside the champion's probabilities of evaluated rows; None where there are no rows."""
    if not len(labels):
        return None
    encoded = evaluated_days(store, evaluation, rows_of)
    candidate = read_scored(store, as_evaluated(store, evaluation, SCORED_IMPRESSIONS), rows_of, WIDE_DEEP)
    clusters = read_clusters(store, encoded, rows_of)
    return compare(labels, candidate, champion, clusters, name_rows(encoded, rows_of))


def compare_scorers(
    store: Store, encoded: Manifest, rows_of: RowsOf, candidate: ClickScorer, champion: ClickScorer
) -> Comparison:
    """Two models on the rows of one encoded day that has some."""
    labels, of_candidate = score_rows(store, [encoded], rows_of, candidate)
    _, of_champion = score_rows(store, [encoded], rows_of, champion)
    clusters = read_clusters(store, [encoded], rows_of)
    return compare(labels, of_candidate, of_champion, clusters, name_rows([encoded], rows_of))


def unlearnt_day(store: Store, champion: Manifest, evaluation: Manifest) -> tuple[Manifest, RowsOf] | None:
    """The day with labelled rows that follows both models, whole; or, of an older candidate, the champion's day.

    None where there is neither, or where one of the models cannot read it.
    """
    candidate = store.manifest(WIDE_DEEP_MODEL, evaluation.partition)
    newest = max(evaluation.partition, str(champion.properties["day"]))
    days = [(shift(newest, n), RowsOf.ALL) for n in range(1, LOOK_AHEAD + 1)]
    if evaluation.partition < newest:
        days.append((newest, RowsOf.TEST))
    for day, rows_of in days:
        encoded = store.find(ENCODED_FEATURES, day)
        if encoded is None or not count_rows(store, encoded, rows_of.splits):
            continue
        ids = encoded.properties["vocabulary_fingerprint"]
        if all(why_not_readable(store, model, day, ids) is None for model in (candidate, champion)):
            return encoded, rows_of
    return None


def name_rows(encoded: Sequence[Manifest], rows_of: RowsOf) -> str:
    """Which rows, as a clause."""
    days = " to ".join(dict.fromkeys((encoded[0].partition, encoded[-1].partition)))
    return f"test rows of {days}" if rows_of is RowsOf.TEST else f"rows of {days}, the day that follows"


def find_rival(
    store: Store, day: str, fingerprint: str, load_model: LoadModel
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
        return champion, load_model(champion), None
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


def why_not_readable(store: Store, model: Manifest, day: str, fingerprint: str) -> str | None:
    """Why a model cannot read rows encoded by the vocabulary of ``day`` with this fingerprint; None when it can.

    It can when one vocabulary is a prefix of the other: the later day's chain then holds both fingerprints.
    """
    fingerprints = [(day_of(model), model.properties["vocabulary_fingerprint"]), (day, fingerprint)]
    later = max(day for day, _ in fingerprints)
    vocabulary = store.find(FEATURE_VOCABULARY, later)
    chain = {} if vocabulary is None else vocabulary.properties["chain"]
    if all(chain.get(day) == fingerprint for day, fingerprint in fingerprints):
        return None
    name = "champion" if model.table == CHAMPION_MODEL else "model"
    return (
        f"The {name} of {day_of(model)} cannot read these rows: its ids are not those of {FEATURE_VOCABULARY}[{later}]"
    )


def day_of(model: Manifest) -> str:
    """The newest day that a model, or the champion, has learnt from."""
    return str(model.properties["day"] if model.table == CHAMPION_MODEL else model.partition)


def evaluated_days(store: Store, evaluation: Manifest, rows_of: RowsOf) -> list[Manifest]:
    """The encoded days of the evaluated rows, oldest first; ValueError when one changed since."""
    day, window = evaluation.partition, sorted(set(evaluation.properties["window"]))
    days = [evaluation.properties["next_day"]] if rows_of is RowsOf.NEXT_DAY else window
    encoded = [store.manifest(ENCODED_FEATURES, each) for each in days]
    changed = [each.partition for each in encoded if evaluation.inputs.get(each.reference) != each.version]
    if changed:
        raise ValueError(
            f"{ENCODED_FEATURES} of {', '.join(changed)} changed after {EVALUATION_METRICS}[{day}] was made: "
            f"materialize {EVALUATION_METRICS} for {day} again"
        )
    return encoded


def score_as_evaluated(
    store: Store, evaluation: Manifest, scorer: ClickScorer, rows_of: RowsOf
) -> tuple[Labels, Probabilities]:
    """Labels and a model's probabilities of the very rows that the evaluation was made on; ValueError otherwise.

    In the order of ``scored_impressions``.
    """
    labels, probabilities = score_rows(store, evaluated_days(store, evaluation, rows_of), rows_of, scorer)
    rows = evaluation.properties["metrics"][rows_of.value][WIDE_DEEP]["rows"]
    if len(labels) != rows:
        raise ValueError(
            f"{len(labels):,} {rows_of} rows of {evaluation.partition} instead of {rows:,}: "
            f"materialize {EVALUATION_METRICS} for {evaluation.partition} again"
        )
    return labels, probabilities
