"""A day's model against the champion, by the same rule for whoever asks: report, check or promotion.

They are judged on the rows of the day that follows both, of which neither has learnt (progressive validation, McMahan
et al., "Ad click prediction: a view from the trenches", KDD 2013). Where there is no such day yet, the test split of
the candidate's window decides. Of an older candidate it is the test split of the champion's own day: an old model is at
its best on old days.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.evaluated import (
    day_of,
    evaluated_candidate,
    evaluated_days,
    score_as_evaluated,
    why_not_readable,
)
from ctr_assets.evaluation.metrics import Labels, Probabilities
from ctr_assets.evaluation.promotion import Decision, decide
from ctr_assets.evaluation.scored import BASELINES, NAMES, WIDE_DEEP, ClickScorer, RowsOf
from ctr_assets.evaluation.unlearnt import account, compare_as_evaluated, compare_scorers, unlearnt_day
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import CHAMPION_MODEL, CURRENT

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
    baselines = {f"the {NAMES[model]}": loglosses[model] for model in BASELINES}
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


def judged_on(evaluation: Manifest, champion: Manifest | None) -> RowsOf:
    """The evaluated rows that tell most: those of the next day, unless it is missing or the champion learnt from it."""
    has_next_day = RowsOf.NEXT_DAY.value in evaluation.properties["metrics"]
    is_newer = champion is not None and champion.properties["day"] > evaluation.partition
    return RowsOf.NEXT_DAY if has_next_day and not is_newer else RowsOf.TEST


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
