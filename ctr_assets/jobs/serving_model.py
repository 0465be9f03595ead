"""Job ``serving_model``: the champion as one ONNX file, from raw strings to a probability.

Nothing is committed unless the file says what the trained model says on the test rows of the champion's day, but for
rounding. Committed are ``model.onnx``, ``sample.parquet`` (rows with the trained model's probability: a server compares
before it uses the file) and ``model_card.md``. The same champion and figures give the same bytes: the committed version
stays.
"""

import hashlib
import json
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ctr_assets.evaluation.card import CARD_NAME, Figures, render_card
from ctr_assets.evaluation.evaluated import figures_of
from ctr_assets.evaluation.scored import WIDE_DEEP, RowsOf
from ctr_assets.jobs.parameters import JobParams
from ctr_assets.jobs.report import Report, markdown, path
from ctr_assets.serving.card import how_to_ask
from ctr_assets.serving.equality import as_columns, compare
from ctr_assets.serving.export import OPSET, ExportError, export, input_columns
from ctr_assets.serving.session import MODEL_NAME, PROBABILITY, SAMPLE_NAME, ServedModel
from ctr_assets.storage import Manifest, Store, UnreadableError, write_parquet
from ctr_assets.storage.parts import write_bytes, write_file
from ctr_assets.storage.vocabulary import read_values
from ctr_assets.tables import (
    CHAMPION_MODEL,
    CURRENT,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    SERVING_MODEL,
    WIDE_DEEP_MODEL,
)

if TYPE_CHECKING:
    from ctr_assets.training.score import Scorer

_TIMED_CALLS: Final = {1: 200, 1_000: 20}
"""Rows of a call → how often it is timed."""


class Params(JobParams):
    """What the job is told."""

    code_version: str = ""


def run(params: Params, report: Report) -> None:
    """Export, compare, commit and report."""
    started = time.monotonic()
    store = Store(params.store_url)
    champion = store.manifest(CHAMPION_MODEL, CURRENT)
    vocabulary = vocabulary_of(store, champion)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / MODEL_NAME
        trained = write_model(store, champion, vocabulary, params.code_version, file)
        report.log(f"exported the champion of {champion.properties['day']}: {file.stat().st_size:,} bytes")
        loading = time.perf_counter()
        exported = ServedModel(str(file))
        load_seconds = time.perf_counter() - loading
        comparison = compare(store, exported, trained, rows_to_compare(store, champion))
        if comparison.problem:
            raise ExportError(f"{MODEL_NAME} is not the champion: {comparison.problem}; nothing was committed")
        report.log(f"{comparison.rows:,} test rows differ by at most {comparison.greatest_difference:.1e}")
        figures, next_day = read_figures(store, champion, report)
        use = how_to_ask(champion.properties["day"], comparison, exported.columns)
        card = render_card(trained.card, champion.properties["model_version"], figures, next_day, use)
        properties = {
            "day": champion.properties["day"],
            "model_version": champion.properties["model_version"],
            "vocabulary_fingerprint": champion.properties["vocabulary_fingerprint"],
            "columns": list(exported.columns),
            "opset": OPSET,
            "compared_rows": comparison.rows,
            "greatest_difference": comparison.greatest_difference,
            "undefined_rows": comparison.undefined,
        }
        committed = commit(
            store, file, card, comparison.sample, inputs=[champion, vocabulary], properties=properties, params=params
        )
    timed = {
        f"microseconds_of_{rows}": microseconds(exported, comparison.sample, rows, calls)
        for rows, calls in _TIMED_CALLS.items()
    }
    report.partition(
        "",
        {
            **{name: properties[name] for name in ("day", "model_version", "opset")},
            **{name: properties[name] for name in ("compared_rows", "greatest_difference")},
            "model_bytes": store.file(committed, MODEL_NAME).bytes,
            "load_seconds": round(load_seconds, 3),
            **timed,
            "seconds": round(time.monotonic() - started, 3),
            "version": committed.version,
            "path": path(store.path(SERVING_MODEL, CURRENT, committed.version, MODEL_NAME)),
            "model_card": markdown(card),
        },
    )


def vocabulary_of(store: Store, champion: Manifest) -> Manifest:
    """The vocabulary that the champion's ids are of. Raises ExportError when it has been replaced."""
    day = champion.properties["day"]
    vocabulary = store.manifest(FEATURE_VOCABULARY, day)
    if vocabulary.properties["chain"][day] != champion.properties["vocabulary_fingerprint"]:
        raise ExportError(
            f"{FEATURE_VOCABULARY}[{day}] is no longer the one that the champion of {day} learnt with, so its ids mean "
            f"other values: materialize wide_deep_model for {day} again and promote it"
        )
    return vocabulary


def write_model(store: Store, champion: Manifest, vocabulary: Manifest, code_version: str, file: Path) -> "Scorer":
    """Write the champion as ONNX; returns it as it was trained, ready to predict."""
    from ctr_assets.training.score import Scorer

    trained = Scorer.load(store, champion, device="cpu")
    layout = trained.model.layout
    metadata = {
        "model": "wide_deep",
        "model_day": champion.properties["day"],
        "model_version": champion.properties["model_version"],
        "vocabulary_fingerprint": champion.properties["vocabulary_fingerprint"],
        "columns": json.dumps(input_columns(layout)),
        "features": json.dumps(layout.features),
        "code_version": code_version,
    }
    weights = {name: tensor.numpy() for name, tensor in trained.model.state_dict().items()}
    model = export(weights, layout, read_values(store, vocabulary, layout.features), metadata)
    file.write_bytes(model.SerializeToString(deterministic=True))
    return trained


def read_figures(store: Store, champion: Manifest, report: Report) -> tuple[Figures, str]:
    """The champion's figures and its next day, from the newest evaluation of that very model.

    Where there is none any more, those of the test rows that its promotion kept.
    """
    day = champion.properties["day"]
    try:
        evaluation = store.find(EVALUATION_METRICS, day)
        if evaluation and evaluation.inputs.get(f"{WIDE_DEEP_MODEL}/{day}") == champion.properties["model_version"]:
            return figures_of(store, evaluation), evaluation.properties["next_day"]
    except UnreadableError as e:
        report.log(f"warning: the model card has the figures of the promotion only: {e}")
    kept = champion.properties.get("test_metrics")
    return {RowsOf.TEST.value: {WIDE_DEEP: kept}} if kept else {}, "not kept"


def rows_to_compare(store: Store, champion: Manifest) -> Manifest:
    """The encoded day of the champion itself. Raises ExportError when it is encoded with other ids by now.

    Days before it would not do: they are encoded with what was known then, and the file knows what the champion does.
    """
    encoded = store.manifest(ENCODED_FEATURES, champion.properties["day"])
    if encoded.properties["vocabulary_fingerprint"] != champion.properties["vocabulary_fingerprint"]:
        raise ExportError(
            f"{encoded.reference} is no longer encoded with the ids that the champion learnt: materialize "
            f"encoded_features for {encoded.partition} again"
        )
    return encoded


def commit(
    store: Store,
    file: Path,
    card: str,
    sample: pa.Table,
    *,
    inputs: list[Manifest],
    properties: dict[str, Any],
    params: Params,
) -> Manifest:
    """Commit the files, unless the very same model and card are committed already: no server need load it again."""
    with suppress(UnreadableError), file.open("rb") as source:
        current = store.find(SERVING_MODEL, CURRENT)
        written = {
            MODEL_NAME: hashlib.file_digest(source, "sha256").hexdigest(),
            CARD_NAME: hashlib.sha256(card.encode()).hexdigest(),
        }
        if current and all(store.file(current, name).sha256 == sha256 for name, sha256 in written.items()):
            return current
    version = store.begin(SERVING_MODEL, CURRENT)
    files = [
        write_file(store, version.folder, MODEL_NAME, file),
        write_parquet(store, version.folder, SAMPLE_NAME, sample),
        write_bytes(store, version.folder, CARD_NAME, card.encode()),
    ]
    return version.commit(
        files,
        {PROBABILITY: "float32"},
        inputs=inputs,
        properties=properties,
        created_by={**params.created_by, "code_version": params.code_version},
    )


def microseconds(exported: ServedModel, sample: pa.Table, rows: int, calls: int) -> float:
    """Median time of a call of so many rows, in microseconds."""
    taken = sample.take(pa.array([i % sample.num_rows for i in range(rows)]))
    columns = as_columns(taken)

    def once() -> float:
        begun = time.perf_counter()
        exported.predict(columns)
        return time.perf_counter() - begun

    return round(statistics.median(once() for _ in range(calls)) * 1e6, 1)
