"""What an evaluation report says: the figures of a day's model as words, tables and pictures. Computes nothing new."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ctr_assets.evaluation.card import libraries_of, started_from
from ctr_assets.evaluation.comparison import STANDARD_ERRORS
from ctr_assets.evaluation.contest import Contest
from ctr_assets.evaluation.document import Cell, Document, KeyFigure, Picture, Section, Table, Tone
from ctr_assets.evaluation.headline import Headline
from ctr_assets.evaluation.importance import REPEATS, Importance
from ctr_assets.evaluation.metrics import Assessment, Metrics
from ctr_assets.evaluation.plots import colours_of, precision_recall, reliability, roc, score_distribution
from ctr_assets.evaluation.report_plots import calibration_by_segment, feature_importances, training_curve
from ctr_assets.evaluation.report_tables import (
    CHALLENGER,
    CHAMPION,
    NAMES,
    behind,
    differences_table,
    figures_table,
    segment_models,
    segment_table,
    with_error,
)
from ctr_assets.evaluation.scored import CONSTANT, GBT, LOGISTIC, WIDE_DEEP, RowsOf
from ctr_assets.evaluation.scored import NAMES as MODEL_NAMES
from ctr_assets.evaluation.segments import Segment
from ctr_assets.features import Split
from ctr_assets.storage import Manifest

TOP_IMPORTANCES: Final = 12

_GLOSSARY: Final = (
    "Logloss is in nats a row. Normalized entropy is the logloss divided by the entropy of the rows' own click rate: "
    "below 1 a model knows more than the rate. Calibration ratio is the mean prediction divided by the click rate: "
    "above 1 a model promises more clicks than came."
)


@dataclass(frozen=True)
class Figures:
    """All that a report tells. Models go by the names that the report calls them."""

    contest: Contest
    headline: Headline | None
    """None where there are no rows."""
    assessments: dict[str, Assessment]
    """Of the test rows: challenger, baselines, constant rate and, where it can read them, another champion."""
    segments: list[Segment]
    encoded: list[Manifest]
    gbt: Manifest
    logistic: Manifest
    card: dict[str, Any]
    """The challenger's model card."""
    gbt_card: dict[str, Any]
    logistic_card: dict[str, Any]
    importances: list[Importance]
    """Of the challenger's features, largest first, on ``importance_rows`` test rows."""
    importance_rows: int

    @property
    def day(self) -> str:
        return self.contest.candidate.partition


def verdict_of(contest: Contest) -> tuple[str, Tone]:
    """The outcome of the contest in one sentence. Says what would be decided: promotion itself comes later."""
    if contest.is_champion:
        return "This model is the champion", ""
    if contest.decision.promoted:
        return f"Fit for promotion: {contest.decision.finding}", "better"
    return f"Not fit for promotion: {contest.decision.finding}", "worse"


def build_report(figures: Figures, written: str) -> Document:
    """The whole report; ``written`` says when and by what."""
    verdict, tone = verdict_of(figures.contest)
    window = figures.contest.evaluation.properties["window"]
    champion = figures.contest.champion
    against = "no champion yet" if champion is None else f"the champion is of {champion.properties['day']}"
    days = f"{len(window)} day{'s' if len(window) > 1 else ''}, {window[0]} to {window[-1]}"
    return Document(
        title=f"Click-through rate model of {figures.day}",
        subtitle=f"Wide & Deep, window of {days}; {against}",
        verdict=verdict,
        tone=tone,
        reasons=tuple(each for each in figures.contest.decision.reasons if not _says(verdict, each)),
        key_figures=() if figures.headline is None else key_figures(figures.headline),
        sections=(
            *(() if figures.headline is None else (standing(figures.headline),)),
            _comparison(figures),
            _next_day(figures.contest.evaluation),
            _by_segment(figures),
            _curves(figures.assessments),
            _training(figures),
            _importances(figures),
            _gbt_importances(figures.gbt_card),
        ),
        footer=f"{written}; the verdict is champion_model's own rule against the champion as it was then. {_GLOSSARY}",
    )


def _says(verdict: str, reason: str) -> bool:
    return reason[:1].lower() + reason[1:] in verdict


def key_figures(headline: Headline) -> tuple[KeyFigure, ...]:
    """Logloss and ROC AUC of the challenger, each beside the champion's or else the logistic baseline's."""
    rival = CHAMPION if CHAMPION in headline.standings else NAMES[LOGISTIC]
    ours, theirs = headline.standings[CHALLENGER], headline.standings[rival]
    figures = [("logloss", ours.logloss, theirs.logloss, theirs.logloss_behind.value)]
    if ours.roc_auc is not None and theirs.roc_auc is not None:
        figures.append(("ROC AUC", ours.roc_auc, theirs.roc_auc, ours.roc_auc.value - theirs.roc_auc.value))
    return tuple(
        KeyFigure(
            f"{name}, {headline.rows_text}",
            with_error(mine),
            Cell(f"{rival} {with_error(other)}", "better" if gain > 0 else "worse" if gain < 0 else ""),
        )
        for name, mine, other, gain in figures
    )


def standing(headline: Headline) -> Section:
    """Every model on the rows that decide, the first thing to be read."""
    best = headline.standings[CHALLENGER].logloss.value
    lines = tuple(
        (
            Cell(model),
            Cell(with_error(each.logloss)),
            Cell("–") if model == CHALLENGER else behind(each.logloss_behind, best),
            Cell("–" if each.roc_auc is None else with_error(each.roc_auc)),
        )
        for model, each in headline.standings.items()
    )
    text = (
        f"All figures are of the same {headline.rows:,} {headline.rows_text} ({headline.clicks:,} clicks), which no "
        "model has learnt from. After ± is one standard error, with hours and devices taken as clusters; a difference "
        f"of less than {STANDARD_ERRORS:g} of them may be chance."
    )
    columns = ("model", "logloss", "above the challenger's logloss", "ROC AUC")
    return Section("How good it is", (text,), tables=(Table(columns, lines),))


def _comparison(figures: Figures) -> Section:
    metrics = {model: each.metrics for model, each in figures.assessments.items()}
    ours = metrics[CHALLENGER]
    rows = f"All figures are of the same {ours.rows:,} test rows of the window ({ours.clicks:,} clicks)."
    named = ", ".join(
        [
            f"challenger: Wide & Deep of {figures.day}",
            f"{NAMES[GBT]}: Spark's gradient-boosted trees of {figures.day}",
            f"{NAMES[LOGISTIC]}: scikit-learn's, on the ids of all fields and crosses, of {figures.day}",
            f"{NAMES[CONSTANT]}: the click rate of the training rows",
            *(
                [f"champion: Wide & Deep of {figures.contest.champion.properties['day']}"]
                if CHAMPION in metrics and figures.contest.champion is not None
                else []
            ),
        ]
    )
    tables = (figures_table(metrics), differences_table(metrics, CHALLENGER))
    paragraphs = (f"{rows} In the tables, {named}.", *ours.notes)
    return Section("Against champion and baselines", paragraphs, tables=tables)


def _next_day(evaluation: Manifest) -> Section:
    name, next_day = "On the next day", evaluation.properties["next_day"]
    figures = evaluation.properties["metrics"].get(RowsOf.NEXT_DAY.value)
    if figures is None:
        return Section(name, (f"The next day is {next_day}.",))
    metrics = {NAMES[model]: Metrics(**{**of, "notes": tuple(of["notes"])}) for model, of in figures.items()}
    ours = metrics[CHALLENGER]
    text = f"All {ours.rows:,} labelled rows of {next_day} ({ours.clicks:,} clicks), which no model has learnt from."
    tables = (figures_table(metrics), differences_table(metrics, CHALLENGER))
    return Section(name, (text, *ours.notes), tables=tables)


def _by_segment(figures: Figures) -> Section:
    models = segment_models(figures.assessments)
    text = (
        "An impression is app traffic when its site_id is the placeholder that all impressions in apps have, and site "
        "traffic when its app_id is the one that all impressions on sites have. In the picture the pale bars are 95 % "
        f"intervals of the {CHALLENGER}'s ratio, from the number of clicks."
    )
    colours = colours_of(figures.assessments)
    png = calibration_by_segment(figures.segments, {model: colours[model] for model in models})
    picture = Picture("Calibration by segment", png, is_in_markdown=True, is_wide=True)
    tables = tuple(
        segment_table([each for each in figures.segments if each.segmentation == segmentation], models, segmentation)
        for segmentation in dict.fromkeys(each.segmentation for each in figures.segments)
    )
    return Section("By segment", (text,), (picture,), tables)


def _curves(assessments: dict[str, Assessment]) -> Section:
    rows_of = "test rows"
    return Section(
        "Reliability, ranking and scores",
        pictures=(
            Picture("Reliability", reliability(assessments, rows_of), is_in_markdown=True),
            Picture("ROC", roc(assessments, rows_of)),
            Picture("Precision and recall", precision_recall(assessments, rows_of)),
            Picture("Distribution of the predicted probabilities", score_distribution(assessments, rows_of)),
        ),
    )


def _training(figures: Figures) -> Section:
    model, card = figures.contest.candidate, figures.card
    gbt, gbt_card = figures.gbt, figures.gbt_card
    logistic, logistic_card = figures.logistic, figures.logistic_card
    splits = {
        split: sum(int(day.properties["splits"][split.value]) for day in figures.encoded)
        for split in (Split.TRAIN, Split.VALIDATION, Split.TEST, Split.UNLABELLED)
    }
    features = card["features"]
    rows = {
        "version": (model.version, gbt.version, logistic.version),
        "start": (started_from(card), "from scratch", "from scratch"),
        "engine": (
            f"PyTorch {libraries_of(card)['torch']}",
            f"Spark {gbt_card.get('spark_version', '(not recorded)')}",
            f"scikit-learn {logistic_card['sklearn_version']}",
        ),
        "training rows": tuple(f"{each['train_rows']:,}" for each in (card, gbt_card, logistic_card)),
        "size": (
            f"{card['parameters']:,} weights",
            f"{gbt_card['config']['max_iter']} trees",
            f"{logistic_card['weights']:,} weights",
        ),
        "features": (
            f"preset {features['preset']}: {len(features['wide'])} wide, {len(features['deep'])} deep",
            f"{len(gbt_card['feature_importances'])} fields",
            f"{len(logistic_card['features'])} fields and crosses",
        ),
        "configuration": tuple(_settings(each["config"]) for each in (card, gbt_card, logistic_card)),
        "wall time": tuple(_seconds(each) for each in (model, gbt, logistic)),
        "device": (model.properties.get("device", "(not recorded)"), "cpu", "cpu"),
        "asset code version": (
            model.created_by.get("code_version") or card["code_version"],
            *(each.created_by.get("code_version", "") for each in (gbt, logistic)),
        ),
    }
    table = Table(
        ("", *(MODEL_NAMES[name] for name in (WIDE_DEEP, GBT, LOGISTIC))),
        tuple((Cell(name), *(Cell(each or "–") for each in of_models)) for name, of_models in rows.items()),
        text_columns=4,
    )
    text = "Rows of the window: " + ", ".join(f"{count:,} {split.value}" for split, count in splits.items())
    kept = card["metrics"]
    epochs = (
        f"Wide & Deep kept epoch {kept['best_epoch']} of {kept['epochs']}, the one of least validation logloss: "
        f"{kept['train_logloss']:.4f} on its training rows, {kept['validation_logloss']:.4f} on validation rows"
    )
    curve = (Picture("Logloss by epoch", training_curve(card["curve"])),) if len(card["curve"]) > 1 else ()
    return Section("Trained on", (f"{text}. {epochs}.",), curve, (table,))


def _importances(figures: Figures) -> Section:
    title = "What the network looks at"
    if not figures.importances:
        return Section(title, (f"Of {figures.importance_rows} test rows none can be given another one's values.",))
    texts = (
        f"How much the {CHALLENGER}'s logloss rises when the ids of one feature are shuffled over "
        f"{figures.importance_rows:,} test rows, the mean of {REPEATS} shuffles. Its standard error is of the rows and "
        "of the shuffles, rows taken as independent. What is within twice that of 0 cannot be told from noise.",
        "Each feature that the model reads is shuffled by itself, a column without its crosses: what another feature "
        "tells as well (site_id and site_domain, a column and its crosses) counts for neither. An importance is of "
        "this model on these rows; it is no cause of a click.",
    )
    png = feature_importances(figures.importances, figures.importance_rows)
    lines = tuple(
        (Cell(each.feature), Cell(f"{each.increase:z.5f}"), Cell(f"{each.standard_error:.5f}"))
        for each in figures.importances
    )
    table = Table(("feature", "increase of the logloss", "standard error"), lines, caption="Every feature")
    return Section(title, texts, (Picture("Permutation importance", png, is_wide=True),), (table,))


def _gbt_importances(gbt_card: dict[str, Any]) -> Section:
    top = list(gbt_card["feature_importances"].items())[:TOP_IMPORTANCES]
    largest = max((share for _, share in top), default=0.0) or 1.0
    lines = tuple((Cell(name), Cell(f"{share:.1%}", share=share / largest)) for name, share in top)
    text = f"The {len(top)} fields with the largest share of the GBT's gain in its splits."
    return Section("What the GBT looks at", (text,), tables=(Table(("field", "share"), lines),))


def _settings(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())


def _seconds(model: Manifest) -> str:
    seconds = model.properties.get("seconds")
    return "(not recorded)" if seconds is None else f"{seconds:,.1f} s"
