"""Job ``click_predictions``: the champion's click probability of every impression of a day, labelled or not.

One row for each row of ``raw_impressions``, in its order. A day without labels gets ``submission.csv.gz`` besides, in
the form of Kaggle's competition. Days that are encoded with the champion's ids, or with ids that continue them, go the
fast way. Any other day goes through ``serving_model``, such as one before the champion's own: it was encoded with what
was known then.
"""

import os
import time
from typing import Any

from ctr_assets.evaluation.evaluated import why_not_readable
from ctr_assets.features import Split
from ctr_assets.jobs.champion_model import load_model
from ctr_assets.jobs.parameters import DayParams
from ctr_assets.jobs.report import Report, path
from ctr_assets.jobs.throughput import throughput
from ctr_assets.serving import is_export_of
from ctr_assets.serving.predictions import SUBMISSION_NAME, FromEncoded, FromRaw, RowsPredictor, write_predictions
from ctr_assets.serving.session import MODEL_NAME, ServedModel
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.rows import raw_of
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CLICK_PREDICTIONS,
    CURRENT,
    ENCODED_FEATURES,
    PREDICTIONS_SCHEMA,
    SERVING_MODEL,
    columns_of,
)


class Params(DayParams):
    """What the job is told."""


def run(params: Params, report: Report) -> None:
    """Predict, commit and report one day."""
    started = time.monotonic()
    store, day = Store(params.store_url), params.day
    champion, encoded = store.manifest(CHAMPION_MODEL, CURRENT), store.manifest(ENCODED_FEATURES, day)
    raw = raw_of(store, encoded)
    is_unlabelled = encoded.properties["splits"][Split.UNLABELLED.value] == encoded.rows > 0
    version = store.begin(CLICK_PREDICTIONS, day)
    predict = predictor(store, champion, encoded, raw, report)
    files, undefined = write_predictions(store, version, raw, predict, submission=is_unlabelled)
    properties = {
        "champion_day": champion.properties["day"],
        "champion_version": champion.properties["model_version"],
        "undefined_rows": undefined,
    }
    committed = version.commit(
        files,
        columns_of(PREDICTIONS_SCHEMA),
        inputs=[champion, encoded, raw],
        properties=properties,
        created_by=params.written_by,
    )
    shown: dict[str, Any] = {"champion_day": properties["champion_day"], "undefined_rows": undefined}
    if is_unlabelled:
        shown["submission"] = path(store.path(CLICK_PREDICTIONS, day, committed.version, SUBMISSION_NAME))
    report.partition(day, {**throughput(committed, store, committed.rows, time.monotonic() - started), **shown})


def predictor(store: Store, champion: Manifest, encoded: Manifest, raw: Manifest, report: Report) -> RowsPredictor:
    """The fast way where it gives the champion's own answer, else the way through the exported file."""
    day = encoded.partition
    hindrance = why_not_readable(store, champion, day, encoded.properties["vocabulary_fingerprint"])
    if hindrance is None and day >= champion.properties["day"]:
        return FromEncoded(store, encoded, load_model(store, champion, report))
    report.log(f"scoring raw rows: {hindrance or f'{day} was encoded before the champion knew its ids'}")
    exported = store.manifest(SERVING_MODEL, CURRENT)
    if not is_export_of(exported, champion):
        raise ValueError(
            f"{SERVING_MODEL} is not of the champion of {champion.properties['day']}: materialize {SERVING_MODEL} again"
        )
    with store.local_file(exported, store.file(exported, MODEL_NAME)) as file:
        return FromRaw(store, raw, ServedModel(file, threads=os.cpu_count() or 1))
