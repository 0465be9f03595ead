"""The very models and rows that an evaluation was made of, and whether a model can read other rows."""

from typing import Any

from ctr_assets.evaluation.metrics import Labels, Probabilities
from ctr_assets.evaluation.scored import WIDE_DEEP, ClickScorer, RowsOf, read_scored, score_rows
from ctr_assets.evaluation.uncertainty import read_clusters, standard_errors
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.vocabulary import chain_of
from ctr_assets.tables import (
    CHAMPION_MODEL,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
)


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


def figures_of(store: Store, evaluation: Manifest) -> dict[str, dict[str, dict[str, Any]]]:
    """The figures of an evaluation by set of rows and model, with ``<figure>_standard_error`` of those that have one.

    Without the errors where its scored or encoded rows have been replaced.
    """
    figures: dict[str, dict[str, dict[str, Any]]] = evaluation.properties["metrics"]
    scored = store.find(SCORED_IMPRESSIONS, evaluation.partition)
    if scored is None or evaluation.inputs.get(scored.reference) != scored.version:
        return figures
    with_errors: dict[str, dict[str, dict[str, Any]]] = {}
    for name, of_models in figures.items():
        rows_of = RowsOf(name)
        try:
            clusters = read_clusters(store, evaluated_days(store, evaluation, rows_of), rows_of)
        except ValueError:
            return figures
        labels = read_scored(store, scored, rows_of, "label")
        with_errors[name] = {
            model: {**of, **standard_errors(labels, read_scored(store, scored, rows_of, model), clusters)}
            for model, of in of_models.items()
        }
    return with_errors


def why_not_readable(store: Store, model: Manifest, day: str, fingerprint: str) -> str | None:
    """Why a model cannot read rows encoded by the vocabulary of ``day`` with this fingerprint; None when it can.

    It can when one vocabulary is a prefix of the other: the later day's chain then holds both fingerprints.
    """
    made_with = [(day_of(model), model.properties["vocabulary_fingerprint"]), (day, fingerprint)]
    days = [day for day, _ in made_with]
    later = max(days)
    vocabulary = store.find(FEATURE_VOCABULARY, later)
    chain = {} if vocabulary is None else chain_of(store, vocabulary, days)
    if all(chain.get(day) == fingerprint for day, fingerprint in made_with):
        return None
    name = "champion" if model.table == CHAMPION_MODEL else "model"
    return (
        f"The {name} of {day_of(model)} cannot read these rows: its ids are not those of {FEATURE_VOCABULARY}[{later}]"
    )


def day_of(model: Manifest) -> str:
    """The newest day that a model, or the champion, has learnt from."""
    return str(model.properties["day"] if model.table == CHAMPION_MODEL else model.partition)
