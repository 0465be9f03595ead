"""Two models on rows of which neither has learnt: which rows those are, and the comparison on them."""

from collections.abc import Sequence
from typing import Final

from ctr_assets.days import shift
from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.evaluated import as_evaluated, evaluated_days, why_not_readable
from ctr_assets.evaluation.metrics import Labels, Probabilities
from ctr_assets.evaluation.scored import WIDE_DEEP, ClickScorer, RowsOf, count_rows, read_scored, score_rows
from ctr_assets.evaluation.uncertainty import compare, read_clusters
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import CHAMPION_VALIDATION, ENCODED_FEATURES, SCORED_IMPRESSIONS, WIDE_DEEP_MODEL

ACCOUNT_DAYS: Final = 7
"""Days over which the account of the champion beside newer models is told: the week that days of traffic differ in."""
LOOK_AHEAD: Final = 7
"""Days after both models among which the first with labelled rows is looked for."""


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


def name_rows(encoded: Sequence[Manifest], rows_of: RowsOf) -> str:
    """Which rows, as a clause."""
    days = " to ".join(dict.fromkeys((encoded[0].partition, encoded[-1].partition)))
    return f"test rows of {days}" if rows_of is RowsOf.TEST else f"rows of {days}, the day that follows"


def account(store: Store, champion: Manifest, newest: str) -> Comparison | None:
    """What ``champion_validation`` keeps of the champion beside the newest models, over the last days that were new.

    It is told and does not decide: its models are not the candidate (``docs/concepts/promotion.md``).
    A day whose manifest is damaged is left out. None where nothing is kept.
    """
    kept: list[Comparison] = []
    for day in (shift(newest, -n) for n in range(ACCOUNT_DAYS)):
        try:
            validation = store.find(CHAMPION_VALIDATION, day)
        except UnreadableError:
            continue
        told = {} if validation is None else validation.properties
        comparison = Comparison.from_properties(told.get("comparison"))
        if comparison is not None and told.get("champion_version") == champion.properties["model_version"]:
            kept.append(comparison)
    return Comparison.of_days(kept) if kept else None
