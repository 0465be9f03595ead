"""Job ``evaluation_metrics``: scores the model and its baselines, keeps the scored rows, computes every figure.

The rows are the window's test split (``test``) and all labelled rows of the next day (``next_day``), when that day is
encoded. Two tables are committed, first ``scored_impressions`` and then ``evaluation_metrics`` (``metrics.json``).

Reported metadata, with the same keys each day:

* ``<rows_of>/<model>/<metric>``: one number, ``<rows_of>`` is ``test`` or ``next_day``, ``<model>`` one of
  :data:`~ctr_assets.evaluation.scored.MODELS`, ``<metric>`` a field of
  :class:`~ctr_assets.evaluation.metrics.Metrics`;
* ``<rows_of>/roc``, ``precision_recall``, ``reliability``, ``score_distribution``: pictures;
* ``next_day``: which day that was, or why it was left out (then no ``next_day/...`` key is there);
* ``summary``: all figures as a table; ``base_rate``: the constant that is predicted;
* the figures of every table (``dagster/row_count`` to ``path``), of ``scored_impressions``.

A figure that the rows leave undefined has no key; ``summary`` says why.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

from pydantic import Field, model_validator

from ctr_assets.baselines.trees import GbtScorer
from ctr_assets.baselines.weights import LogisticScorer
from ctr_assets.days import Day, shift
from ctr_assets.evaluation.metrics import Assessment, assess
from ctr_assets.evaluation.plots import draw_all
from ctr_assets.evaluation.scored import (
    CONSTANT,
    GBT,
    LOGISTIC,
    MODELS,
    SCORED_SCHEMA,
    WIDE_DEEP,
    ClickScorer,
    ConstantScorer,
    RowsOf,
    count_rows,
    read_scored,
    training_click_rate,
    write_scored,
)
from ctr_assets.evaluation.summary import comparison_table
from ctr_assets.jobs.parameters import WindowParams
from ctr_assets.jobs.report import Report, markdown, picture
from ctr_assets.jobs.throughput import throughput
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.parts import write_json
from ctr_assets.storage.vocabulary import chain_of
from ctr_assets.storage.window import WindowError, check_window, stale_days
from ctr_assets.tables import (
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    FITTED_BASELINES,
    GBT_BASELINE,
    LOGISTIC_BASELINE,
    SCORED_IMPRESSIONS,
    WIDE_DEEP_MODEL,
    columns_of,
)

METRICS_NAME = "metrics.json"


class Params(WindowParams):
    """What the job is told. The test rows of the window are scored."""

    next_day: Day | None = Field(default=None, description="The day after, scored where it is encoded and labelled")

    @model_validator(mode="after")
    def _next_day_is_the_day_after(self) -> Self:
        if self.next_day not in (None, shift(self.day, 1)):
            raise ValueError(f"next_day is {self.next_day}, expected {shift(self.day, 1)}, the day after, or null")
        return self


def run(params: Params, report: Report) -> None:
    """Score, commit and report one day."""
    started = time.monotonic()
    store, day = Store(params.store_url), params.day
    encoded = {RowsOf.TEST: check_window(store, day, params.window)}
    vocabulary = store.manifest(FEATURE_VOCABULARY, day)
    models = {table: current_model(store, table, vocabulary) for table in (WIDE_DEEP_MODEL, *FITTED_BASELINES)}
    base_rate = training_click_rate(store, encoded[RowsOf.TEST])
    scorers = load_scorers(store, models, base_rate)
    next_day, next_day_text = find_next_day(store, vocabulary, params.next_day)
    if next_day is not None:
        encoded[RowsOf.NEXT_DAY] = [next_day]
    report.log(f"scoring the test rows of {', '.join(params.window)}; next day: {next_day_text}")

    version = store.begin(SCORED_IMPRESSIONS, day)
    files = [write_scored(store, version.folder, rows_of, days, scorers) for rows_of, days in encoded.items()]
    inputs = [*models.values(), vocabulary, *(manifest for days in encoded.values() for manifest in days)]
    scored = version.commit(files, columns_of(SCORED_SCHEMA), inputs=inputs, created_by=params.written_by)
    report.log(f"scored {scored.rows:,} rows; computing metrics")

    assessments = {rows_of.value: assess_rows(store, scored, rows_of) for rows_of in encoded}
    metrics = {of: {model: each.metrics for model, each in models.items()} for of, models in assessments.items()}
    figures = {of: {model: asdict(each) for model, each in of_models.items()} for of, of_models in metrics.items()}
    properties = {
        "day": day,
        "window": params.window,
        "next_day": next_day_text,
        "base_rate": base_rate,
        "metrics": figures,
    }
    version = store.begin(EVALUATION_METRICS, day)
    version.commit(
        [write_json(store, version.folder, METRICS_NAME, properties)],
        {},
        inputs=[*inputs, scored],
        properties=properties,
        created_by=params.written_by,
    )
    report.partition(
        day,
        {
            **{
                f"{of}/{model}/{name}": number
                for of, of_models in reversed(metrics.items())
                for model, each in of_models.items()
                for name, number in each.numbers().items()
            },
            **_pictures(assessments),
            "summary": markdown(comparison_table(metrics)),
            "next_day": next_day_text,
            "base_rate": base_rate,
            **throughput(scored, store, scored.rows, time.monotonic() - started),
        },
    )


def current_model(store: Store, table: str, vocabulary: Manifest) -> Manifest:
    """The day's model; ValueError when it was trained with another vocabulary than the day's current one."""
    day = vocabulary.partition
    model = store.manifest(table, day)
    if model.properties.get("vocabulary_fingerprint") != vocabulary.properties["chain"][day]:
        raise ValueError(
            f"{table}[{day}] was trained with an older {FEATURE_VOCABULARY}[{day}], whose ids mean other values: "
            f"materialize {table} for {day} again"
        )
    return model


def load_scorers(store: Store, models: Mapping[str, Manifest], base_rate: float) -> dict[str, ClickScorer]:
    """The models that are compared, in the order of ``MODELS``; ``models``: their versions, by table."""
    from ctr_assets.training.score import Scorer

    return {
        WIDE_DEEP: Scorer.load(store, models[WIDE_DEEP_MODEL]),
        GBT: GbtScorer.load(store, models[GBT_BASELINE]),
        LOGISTIC: LogisticScorer.load(store, models[LOGISTIC_BASELINE]),
        CONSTANT: ConstantScorer(base_rate),
    }


def find_next_day(store: Store, vocabulary: Manifest, next_day: str | None) -> tuple[Manifest | None, str]:
    """The encoded next day and its name; or None and why it is left out.

    Raises :class:`WindowError` when its ids do not continue the model's: then one id could mean two values.
    """
    if next_day is None:
        return None, "left out: not asked for"
    if store.find(ENCODED_FEATURES, next_day) is None:
        return None, f"left out: {ENCODED_FEATURES}[{next_day}] is not materialized yet"
    (encoded,) = check_window(store, next_day, [next_day])
    day = vocabulary.partition
    chain = chain_of(store, store.manifest(FEATURE_VOCABULARY, next_day), [day])
    if stale_days(chain, {day: vocabulary.properties["chain"][day]}):
        raise WindowError(
            f"{FEATURE_VOCABULARY}[{next_day}] does not continue {FEATURE_VOCABULARY}[{day}] as it is now: materialize "
            f"{FEATURE_VOCABULARY}, then {ENCODED_FEATURES}, for {next_day} again"
        )
    if not count_rows(store, encoded, RowsOf.NEXT_DAY.splits):
        return None, f"left out: {next_day} has no labelled rows"
    return encoded, next_day


def assess_rows(store: Store, scored: Manifest, rows_of: RowsOf) -> dict[str, Assessment]:
    """Every model on one set of rows; in memory are the labels and one model's probabilities at a time."""
    labels = read_scored(store, scored, rows_of, "label")
    return {model: assess(labels, read_scored(store, scored, rows_of, model)) for model in MODELS}


def _pictures(assessments: dict[str, dict[str, Assessment]]) -> dict[str, Any]:
    return {
        f"{of}/{name}": picture(png, f"{name.replace('_', ' ')}, {of.replace('_', ' ')}")
        for of, of_models in reversed(assessments.items())
        for name, png in draw_all(of_models, of.replace("_", " ")).items()
    }
