"""Job ``champion_validation``: the champion, and the newest other model, on a day's impressions as met in use.

A day after the champion's own is scored whole: no model has learnt from it yet (progressive validation, McMahan et al.,
"Ad click prediction: a view from the trenches", KDD 2013). Of any earlier day only the test split is scored, because
the champion may have learnt from the rest. The newest model of the days before, which may yet replace the champion, is
scored on the same rows of a day that is new to both. Where there is nothing to score (no champion yet, a champion whose
ids are others, a damaged one, a day without labelled rows) an empty version is committed whose ``note`` says why.

The manifest's properties are what the retraining sensor reads: ``champion_day``, ``champion_version``, ``rows_of``,
``note``, ``metrics`` and ``reference``, the champion's own figures on its test rows when it was promoted. Beside them
``candidate_day``, ``candidate_version``, ``candidate_metrics`` and ``comparison``, None where there is no other model.
"""

import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import Field

from ctr_assets.days import Day, shift
from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.contest import find_rival
from ctr_assets.evaluation.evaluated import why_not_readable
from ctr_assets.evaluation.metrics import Assessment, Labels, Metrics, Probabilities, assess, evaluate
from ctr_assets.evaluation.plots import reliability
from ctr_assets.evaluation.scored import RowsOf, count_rows, score_rows
from ctr_assets.evaluation.uncertainty import compare, read_clusters
from ctr_assets.evaluation.unlearnt import name_rows
from ctr_assets.jobs.champion_model import load_model
from ctr_assets.jobs.parameters import DayParams
from ctr_assets.jobs.report import Report, picture
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.storage.parts import write_json
from ctr_assets.tables import CHAMPION_VALIDATION, ENCODED_FEATURES, WIDE_DEEP_MODEL

VALIDATION_NAME: Final = "validation.json"
HELD_AGAINST: Final = ("normalized_entropy", "calibration_ratio")
"""Figures that can be compared between days: both are relative to the click rate of their own rows."""
LOOK_BACK: Final = 31
"""Days before the day among which the newest model is looked for."""


@dataclass(frozen=True)
class Beside:
    """The newest model that is not the champion, on the rows that the champion was scored on."""

    candidate: Manifest
    metrics: Metrics
    comparison: Comparison


class Params(DayParams):
    """What the job is told."""

    day: Day = Field(description="Day whose impressions the champion is scored on, YYYY-MM-DD")


def run(params: Params, report: Report) -> None:
    """Score, commit and report one day."""
    started = time.monotonic()
    store, day = Store(params.store_url), params.day
    encoded = store.manifest(ENCODED_FEATURES, day)
    ids = encoded.properties["vocabulary_fingerprint"]
    champion, scorer, note = find_rival(store, day, ids, lambda model: load_model(store, model, report))
    rows_of = assessment = candidate = None
    beside: Beside | None = None
    if champion is not None and scorer is not None:
        rows_of, note = rows_to_score(store, champion, encoded)
    report.log(note or f"scoring {rows_of} labelled rows of {day}")
    if champion is not None and scorer is not None and rows_of is not None:
        labels, probabilities = score_rows(store, [encoded], rows_of, scorer)
        assessment = assess(labels, probabilities)
        candidate = find_candidate(store, champion, encoded) if rows_of is RowsOf.ALL else None
        if candidate is not None:
            beside = score_beside(store, candidate, encoded, labels, probabilities, report)
    properties = {
        "champion_day": None if champion is None else champion.properties["day"],
        "champion_version": None if champion is None else champion.properties["model_version"],
        "rows_of": None if rows_of is None else rows_of.value,
        "note": note,
        "metrics": None if assessment is None else asdict(assessment.metrics),
        "reference": None if champion is None else reference_of(champion),
        "candidate_day": beside and beside.candidate.partition,
        "candidate_version": beside and beside.candidate.version,
        "candidate_metrics": beside and asdict(beside.metrics),
        "comparison": beside and beside.comparison.to_properties(),
    }
    version = store.begin(CHAMPION_VALIDATION, day)
    rows = assessment.metrics.rows if assessment else 0
    committed = version.commit(
        [write_json(store, version.folder, VALIDATION_NAME, {"day": day, **properties}, rows)],
        {},
        inputs=[encoded, *([] if champion is None else [champion]), *([] if beside is None else [beside.candidate])],
        properties=properties,
        created_by=params.written_by,
    )
    report.partition(
        day,
        {
            **metadata(properties, assessment, beside),
            **throughput(committed, store, committed.rows, time.monotonic() - started),
        },
    )


def rows_to_score(store: Store, champion: Manifest, encoded: Manifest) -> tuple[RowsOf | None, str | None]:
    """Which rows of an encoded day the champion is scored on; or None, and why on none."""
    day = encoded.partition
    if not encoded.rows:
        return None, f"{day} has no impressions"
    unseen = day > champion.properties["day"]
    rows_of = RowsOf.ALL if unseen else RowsOf.TEST
    if not count_rows(store, encoded, rows_of.splits):
        return None, f"{day} has no labelled {'' if unseen else 'test '}rows"
    return rows_of, None


def find_candidate(store: Store, champion: Manifest, encoded: Manifest) -> Manifest | None:
    """The newest model before an encoded day, not older than the champion; None where it is the champion itself.

    None too where its manifest is damaged or its ids are not the day's: it could not be promoted either.
    """
    day, ids = encoded.partition, encoded.properties["vocabulary_fingerprint"]
    days = [shift(day, -n) for n in range(1, LOOK_BACK + 1)]
    for each in (each for each in days if each >= champion.properties["day"]):
        try:
            model = store.find(WIDE_DEEP_MODEL, each)
        except UnreadableError:
            return None
        if model is not None:
            is_champion = model.version == champion.properties["model_version"]
            return None if is_champion or why_not_readable(store, model, day, ids) else model
    return None


def score_beside(
    store: Store,
    candidate: Manifest,
    encoded: Manifest,
    labels: Labels,
    champion_probabilities: Probabilities,
    report: Report,
) -> Beside | None:
    """A candidate beside the champion's probabilities of all labelled rows of a day; None where it is damaged."""
    try:
        scorer = load_model(store, candidate, report)
    except UnreadableError as e:
        report.log(f"not scoring {WIDE_DEEP_MODEL} of {candidate.partition}: {e}")
        return None
    _, probabilities = score_rows(store, [encoded], RowsOf.ALL, scorer)
    clusters = read_clusters(store, [encoded], RowsOf.ALL)
    comparison = compare(labels, probabilities, champion_probabilities, clusters, name_rows([encoded], RowsOf.ALL))
    return Beside(candidate, evaluate(labels, probabilities), comparison)


def reference_of(champion: Manifest) -> dict[str, float] | None:
    """The champion's own figures on its test rows at its promotion; None where they were undefined or not kept."""
    figures = champion.properties.get("test_metrics", {})
    reference = {name: figures[name] for name in HELD_AGAINST if figures.get(name) is not None}
    return reference if len(reference) == len(HELD_AGAINST) else None


def metadata(properties: dict[str, Any], assessment: Assessment | None, beside: Beside | None) -> dict[str, Any]:
    """What the asset shows of a day. A figure that the rows leave undefined has no key."""
    reference = properties["reference"] or {}
    named = {name: properties[name] or "none" for name in ("champion_day", "champion_version", "rows_of")}
    held_against = {f"reference/{name}": figure for name, figure in reference.items()}
    if assessment is None:
        return {"note": properties["note"], **named, **held_against}
    figures = assessment.metrics.numbers()
    shown: dict[str, Any] = {f"champion/{name}": figure for name, figure in figures.items()}
    if beside is not None:
        shown |= {f"candidate/{name}": figure for name, figure in beside.metrics.numbers().items()}
        shown |= {
            "candidate_day": beside.candidate.partition,
            "comparison": f"The candidate beside the champion: {beside.comparison.text}",
            "logloss_difference": beside.comparison.difference,
        }
        if beside.comparison.standard_error is not None:
            shown["standard_error"] = beside.comparison.standard_error
    if "normalized_entropy" in reference and "normalized_entropy" in figures:
        shown["normalized_entropy_increase"] = figures["normalized_entropy"] / reference["normalized_entropy"] - 1
    if "calibration_ratio" in figures:
        shown["calibration_ratio"] = figures["calibration_ratio"]
    name = f"champion of {properties['champion_day']}"
    drawn = picture(reliability({name: assessment}, properties["rows_of"]), "reliability")
    return {**shown, **named, **held_against, "reliability": drawn}
