"""Job ``evaluation_report``: one page about a day's model, to be read before it is promoted and to be sent around.

The verdict is that of ``champion_model``'s own rule, against the champion as it is when the report is written. Every
figure comes from the rows that ``evaluation_metrics`` scored; the champion is scored on the same ones. Committed are
``report.html``, one file that needs no other, ``report.md``, and ``model_card.md``.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from ctr_assets import __version__
from ctr_assets.baselines.publish import read_card as read_baseline_card
from ctr_assets.days import Day
from ctr_assets.evaluation.card import CARD_NAME, render_card
from ctr_assets.evaluation.contest import Contest, hold_contest
from ctr_assets.evaluation.document import render_html, render_markdown, render_table
from ctr_assets.evaluation.evaluated import as_evaluated, evaluated_days, figures_of
from ctr_assets.evaluation.headline import Headline, headline
from ctr_assets.evaluation.importance import permutation_importances, sample_rows
from ctr_assets.evaluation.metrics import assess
from ctr_assets.evaluation.report import Figures, build_report
from ctr_assets.evaluation.report_plots import feature_importances
from ctr_assets.evaluation.report_tables import (
    BEST_REACHABLE,
    CHALLENGER,
    CHAMPION,
    NAMES,
    segment_models,
    segment_table,
)
from ctr_assets.evaluation.scored import RowsOf, read_scored
from ctr_assets.evaluation.segments import APP, SITE, TRAFFIC, Segment, evaluate_segments, read_segmentations
from ctr_assets.evaluation.uncertainty import read_clusters
from ctr_assets.evaluation.unlearnt import name_rows
from ctr_assets.jobs.champion_model import load_model
from ctr_assets.jobs.evaluation_metrics import current_model
from ctr_assets.jobs.parameters import DayParams
from ctr_assets.jobs.report import Report, markdown, path, picture
from ctr_assets.jobs.throughput import throughput
from ctr_assets.oracle import true_probabilities
from ctr_assets.storage import Store
from ctr_assets.storage.parts import write_bytes
from ctr_assets.tables import (
    EVALUATION_REPORT,
    FEATURE_VOCABULARY,
    GBT_BASELINE,
    LOGISTIC_BASELINE,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
)

HTML_NAME: Final = "report.html"
MARKDOWN_NAME: Final = "report.md"


class Params(DayParams):
    """What the job is told."""

    day: Day = Field(description="Day of the model, YYYY-MM-DD")
    truth_folder: str | None = Field(default=None, description="True click probabilities, which only the demo has")


def run(params: Params, report: Report) -> None:
    """Compute, write, commit and report one day."""
    started = time.monotonic()
    store, day = Store(params.store_url), params.day
    contest = hold_contest(store, day, lambda model: load_model(store, model, report))
    truth = None if params.truth_folder is None else Path(params.truth_folder)
    figures = compute_figures(store, contest, truth)
    written = f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by ctr-assets {__version__}"
    document = build_report(figures, written)
    report.log(document.verdict)

    card = render_card(
        figures.card,
        contest.candidate.version,
        figures_of(store, contest.evaluation),
        contest.evaluation.properties["next_day"],
    )
    texts = {HTML_NAME: render_html(document), MARKDOWN_NAME: render_markdown(document), CARD_NAME: card}
    version = store.begin(EVALUATION_REPORT, day)
    files = [write_bytes(store, version.folder, name, text.encode()) for name, text in texts.items()]
    inputs = [contest.candidate, contest.evaluation, *([contest.champion] if contest.champion else [])]
    properties = {
        "verdict": document.verdict,
        "reasons": list(document.reasons),
        "comparison": contest.comparison and contest.comparison.to_properties(),
        "importance_rows": figures.importance_rows,
        "importances": [asdict(each) for each in figures.importances],
    }
    committed = version.commit(
        files,
        {},
        inputs=inputs,
        properties=properties,
        created_by=params.written_by,
    )
    rows = next(iter(figures.assessments.values())).metrics.rows
    bookkeeping = throughput(committed, store, rows, time.monotonic() - started)
    del bookkeeping["path"]  # the page itself is shown above
    report.partition(
        day,
        {
            "verdict": document.verdict,
            "champion_day": "none" if contest.champion is None else contest.champion.properties["day"],
            **first_figures(figures.headline),
            **calibration_of_traffic(figures.segments),
            "path": path(store.path(EVALUATION_REPORT, day, committed.version, HTML_NAME)),
            "report": markdown(texts[MARKDOWN_NAME]),
            "model_card": markdown(card),
            **importance_picture(figures),
            "segments": markdown(render_table(segment_table(figures.segments, segment_models(figures.assessments)))),
            **bookkeeping,
            "dagster/row_count": rows,
        },
    )


def first_figures(headline: Headline | None) -> dict[str, Any]:
    """Logloss and ROC AUC by model with their standard errors, for a chart; what is undefined has no key."""
    if headline is None:
        return {}
    figures: dict[str, Any] = {"judged_on": f"{headline.rows:,} {headline.rows_text}"}
    for model, standing in headline.standings.items():
        for name, found in (("logloss", standing.logloss), ("roc_auc", standing.roc_auc)):
            if found is not None:
                figures[f"{model.replace(' ', '_')}/{name}"] = found.value
                if found.standard_error is not None:
                    figures[f"{model.replace(' ', '_')}/{name}_standard_error"] = found.standard_error
    return figures


def compute_figures(store: Store, contest: Contest, truth: Path | None) -> Figures:
    """Everything the report tells, from the very rows and models that the evaluation was made of."""
    from ctr_assets.training.score import Scorer

    evaluation = contest.evaluation
    vocabulary = store.manifest(FEATURE_VOCABULARY, evaluation.partition)
    current_model(store, WIDE_DEEP_MODEL, vocabulary)
    gbt, logistic = (as_evaluated(store, evaluation, table) for table in (GBT_BASELINE, LOGISTIC_BASELINE))
    encoded = evaluated_days(store, evaluation, RowsOf.TEST)
    labels, probabilities = read_probabilities(store, contest, RowsOf.TEST)
    segmentations = read_segmentations(store, encoded, vocabulary, RowsOf.TEST)
    scorer = Scorer.load(store, contest.candidate)
    shuffled = sample_rows(store, encoded, RowsOf.TEST)
    return Figures(
        contest=contest,
        headline=read_headline(store, contest, truth),
        assessments={model: assess(labels, each) for model, each in probabilities.items()},
        segments=evaluate_segments(
            segmentations, labels, {model: probabilities[model] for model in segment_models(probabilities)}
        ),
        encoded=encoded,
        gbt=gbt,
        logistic=logistic,
        card=scorer.card,
        gbt_card=read_baseline_card(store, gbt),
        logistic_card=read_baseline_card(store, logistic),
        importances=permutation_importances(scorer, shuffled, scorer.model.layout.features),
        importance_rows=shuffled.num_rows,
    )


def read_headline(store: Store, contest: Contest, truth: Path | None) -> Headline | None:
    """Every model on the rows that the baselines were compared on, and on the demo the best that any could reach."""
    rows_of, encoded = contest.rows_of, evaluated_days(store, contest.evaluation, contest.rows_of)
    labels, probabilities = read_probabilities(store, contest, rows_of)
    if truth is not None:
        scored = as_evaluated(store, contest.evaluation, SCORED_IMPRESSIONS)
        best = true_probabilities(store, scored, rows_of, truth)
        if best is not None:
            probabilities[BEST_REACHABLE] = best
    first = [model for model in (CHALLENGER, CHAMPION) if model in probabilities]
    probabilities = {model: probabilities[model] for model in dict.fromkeys([*first, *probabilities])}
    return headline(labels, probabilities, read_clusters(store, encoded, rows_of), name_rows(encoded, rows_of))


def read_probabilities(store: Store, contest: Contest, rows_of: RowsOf) -> tuple[Any, dict[str, Any]]:
    """Labels of the evaluated rows and each model's probabilities; of the champion too when it is another model."""
    scored = as_evaluated(store, contest.evaluation, SCORED_IMPRESSIONS)
    labels = read_scored(store, scored, rows_of, "label")
    probabilities = {name: read_scored(store, scored, rows_of, model) for model, name in NAMES.items()}
    if contest.champion_scores is not None:
        probabilities[CHAMPION] = contest.champion_scores(rows_of)[1]
    return labels, probabilities


def importance_picture(figures: Figures) -> dict[str, Any]:
    """The importances as a picture, where there are any."""
    if not figures.importances:
        return {}
    png = feature_importances(figures.importances, figures.importance_rows)
    return {"feature_importance": picture(png, "permutation importance")}


def calibration_of_traffic(segments: Iterable[Segment]) -> dict[str, float]:
    """The challenger's calibration ratio on site and on app traffic, where there are clicks: numbers for a chart."""
    return {
        f"{each.name}/calibration_ratio": ratio
        for each in segments
        if each.segmentation == TRAFFIC and each.name in (SITE, APP)
        if (ratio := each.metrics[CHALLENGER].calibration_ratio) is not None
    }
