"""Job ``champion_validation``: the champion on a day's impressions, as it would have met them in use.

A day after the champion's own is scored whole: no model has learnt from it yet (progressive validation, McMahan et al.,
"Ad click prediction: a view from the trenches", KDD 2013). Of any earlier day only the test split is scored, because
the champion may have learnt from the rest. Where there is nothing to score (no champion yet, a champion whose ids are
others, a damaged one, a day without labelled rows) an empty version is committed whose ``note`` says why.

The manifest's properties are what the retraining sensor reads: ``champion_day``, ``champion_version``, ``rows_of``,
``note``, ``metrics`` and ``reference``, the champion's own figures on its test rows when it was promoted.
"""

import json
import os
import time
from dataclasses import asdict
from typing import Any, Final

from pydantic import Field

from ctr_assets.days import Day
from ctr_assets.evaluation.contest import find_rival
from ctr_assets.evaluation.metrics import Assessment, assess
from ctr_assets.evaluation.plots import reliability
from ctr_assets.evaluation.scored import RowsOf, count_rows, score_rows
from ctr_assets.jobs.champion_model import load_champion
from ctr_assets.jobs.parameters import DayParams
from ctr_assets.jobs.report import Report, picture
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.parts import describe, write_bytes
from ctr_assets.tables import CHAMPION_VALIDATION, ENCODED_FEATURES

VALIDATION_NAME: Final = "validation.json"
HELD_AGAINST: Final = ("normalized_entropy", "calibration_ratio")
"""Figures that can be compared between days: both are relative to the click rate of their own rows."""


class Params(DayParams):
    """What the job is told."""

    day: Day = Field(description="Day whose impressions the champion is scored on, YYYY-MM-DD")


def run(params: Params, report: Report) -> None:
    """Score, commit and report one day."""
    if int(os.environ.get("RANK", "0")):
        return  # one process does it all
    started = time.monotonic()
    store, day = Store(params.store_url), params.day
    encoded = store.manifest(ENCODED_FEATURES, day)
    ids = encoded.properties["vocabulary_fingerprint"]
    champion, scorer, note = find_rival(store, day, ids, lambda champion: load_champion(store, champion, report))
    rows_of = assessment = None
    if champion is not None and scorer is not None:
        rows_of, note = rows_to_score(store, champion, encoded)
    report.log(note or f"scoring {rows_of} labelled rows of {day}")
    if scorer is not None and rows_of is not None:
        assessment = assess(*score_rows(store, [encoded], rows_of, scorer))
    properties = {
        "champion_day": None if champion is None else champion.properties["day"],
        "champion_version": None if champion is None else champion.properties["model_version"],
        "rows_of": None if rows_of is None else rows_of.value,
        "note": note,
        "metrics": None if assessment is None else asdict(assessment.metrics),
        "reference": None if champion is None else reference_of(champion),
    }
    version = store.begin(CHAMPION_VALIDATION, day)
    with write_bytes(store, version.folder, VALIDATION_NAME) as sink:
        sink.write(json.dumps({"day": day, **properties}, indent=1).encode())
    committed = version.commit(
        [describe(VALIDATION_NAME, sink, rows=assessment.metrics.rows if assessment else 0)],
        {},
        inputs=[encoded] if champion is None else [encoded, champion],
        properties=properties,
        created_by=params.written_by,
    )
    report.partition(
        day,
        {
            **throughput(committed, store, committed.rows, time.monotonic() - started),
            **metadata(properties, assessment),
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


def reference_of(champion: Manifest) -> dict[str, float] | None:
    """The champion's own figures on its test rows at its promotion; None where they were undefined or not kept."""
    figures = champion.properties.get("test_metrics", {})
    reference = {name: figures[name] for name in HELD_AGAINST if figures.get(name) is not None}
    return reference if len(reference) == len(HELD_AGAINST) else None


def metadata(properties: dict[str, Any], assessment: Assessment | None) -> dict[str, Any]:
    """What the asset shows of a day. A figure that the rows leave undefined has no key."""
    reference = properties["reference"] or {}
    shown: dict[str, Any] = {
        name: properties[name] or "none" for name in ("champion_day", "champion_version", "rows_of")
    }
    shown |= {f"reference/{name}": figure for name, figure in reference.items()}
    if assessment is None:
        return {**shown, "note": properties["note"]}
    figures = assessment.metrics.numbers()
    shown |= {f"champion/{name}": figure for name, figure in figures.items()}
    if "normalized_entropy" in reference and "normalized_entropy" in figures:
        shown["normalized_entropy_increase"] = figures["normalized_entropy"] / reference["normalized_entropy"] - 1
    if "calibration_ratio" in figures:
        shown["calibration_ratio"] = figures["calibration_ratio"]
    name = f"champion of {properties['champion_day']}"
    return {**shown, "reliability": picture(reliability({name: assessment}, properties["rows_of"]), "reliability")}
