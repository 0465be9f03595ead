"""Job ``champion_model``: promotes a day's Wide & Deep model if it beats the champion and the baselines, or keeps.

All loglosses are of the candidate's test rows. A promoted model is copied, so deleting old days never hurts the
champion. A champion whose ids mean other values than these rows' cannot read them; the baselines then decide alone.

Reported metadata: ``promoted``, ``decision``, ``reasons``, ``candidate_day``, ``champion_day`` (the champion before the
decision, ``none`` at first), ``rows``, ``candidate_logloss``, ``gbt_logloss``, ``constant_logloss``,
``champion_logloss`` (left out when there is none to compare with), and ``version`` and ``path`` of the champion after
the decision (left out while there is none).
"""

import os
import shutil

from pydantic import Field

from ctr_assets.evaluation.metrics import evaluate
from ctr_assets.evaluation.promotion import Decision, decide
from ctr_assets.evaluation.scored import CONSTANT, GBT, WIDE_DEEP, RowsOf, score_test_rows
from ctr_assets.jobs.parameters import JobParams
from ctr_assets.jobs.report import Report, markdown, path
from ctr_assets.storage import DataFile, Manifest, Store
from ctr_assets.storage.parts import describe, write_bytes
from ctr_assets.tables import (
    CHAMPION_MODEL,
    ENCODED_FEATURES,
    EVALUATION_METRICS,
    FEATURE_VOCABULARY,
    WIDE_DEEP_MODEL,
)

CURRENT = "current"
"""The one partition of ``champion_model``."""

_COPY_BYTES = 1 << 22


class Params(JobParams):
    """What the job is told."""

    day: str = Field(description="Day of the model that is put up for promotion, YYYY-MM-DD")
    code_version: str = ""


def run(params: Params, report: Report) -> None:
    """Decide, commit if promoted, and report in any case."""
    if int(os.environ.get("RANK", "0")):
        return  # one process decides
    store = Store(params.store_url)
    candidate, evaluation = evaluated_candidate(store, params.day)
    figures = evaluation.properties["metrics"][RowsOf.TEST.value]
    loglosses = {model: figures[model]["logloss"] for model in (WIDE_DEEP, GBT, CONSTANT)}
    rows = int(figures[WIDE_DEEP]["rows"])
    champion = store.find(CHAMPION_MODEL, CURRENT)
    no_comparison = why_not_comparable(store, champion, candidate)
    champion_logloss = None
    if champion is not None and no_comparison is None:
        report.log(f"scoring the champion of {champion.properties['day']} on {rows:,} rows")
        champion_logloss = score_champion(store, champion, evaluation, rows)
    if champion is not None and champion.properties["model_version"] == candidate.version:
        decision = Decision(False, "Kept as it was: the candidate is the champion already", ())
    else:
        baselines = {"the GBT baseline": loglosses[GBT], "the constant rate": loglosses[CONSTANT]}
        decision = decide(loglosses[WIDE_DEEP], baselines, champion_logloss, no_comparison=no_comparison)
    report.log(decision.text)
    current = champion
    if decision.promoted:
        written_by = {**params.created_by, "code_version": params.code_version}
        current = promote(store, candidate, evaluation, decision, written_by)
    measured = {
        "candidate_logloss": loglosses[WIDE_DEEP],
        "champion_logloss": champion_logloss,
        "gbt_logloss": loglosses[GBT],
        "constant_logloss": loglosses[CONSTANT],
    }
    version = {} if current is None else {"version": current.version, "path": path(version_path(store, current))}
    report.partition(
        "",
        {
            "promoted": decision.promoted,
            "decision": decision.text,
            "reasons": markdown("\n".join(f"* {reason}" for reason in decision.reasons) or decision.text),
            "candidate_day": params.day,
            "champion_day": "none" if champion is None else champion.properties["day"],
            "rows": rows,
            **{name: logloss for name, logloss in measured.items() if logloss is not None},
            **version,
        },
    )


def evaluated_candidate(store: Store, day: str) -> tuple[Manifest, Manifest]:
    """The day's model and its evaluation. Raises ValueError when the evaluation is of another version of the model."""
    candidate, evaluation = store.manifest(WIDE_DEEP_MODEL, day), store.manifest(EVALUATION_METRICS, day)
    evaluated = evaluation.inputs.get(candidate.reference)
    if evaluated != candidate.version:
        raise ValueError(
            f"{EVALUATION_METRICS}[{day}] is of version {evaluated} of {WIDE_DEEP_MODEL}[{day}], which is now "
            f"{candidate.version}: materialize {EVALUATION_METRICS} for {day} again"
        )
    return candidate, evaluation


def why_not_comparable(store: Store, champion: Manifest | None, candidate: Manifest) -> str | None:
    """Why the champion cannot be scored on the candidate's rows, as a reason; None when it can.

    It can when one vocabulary is a prefix of the other: the later day's chain then holds both fingerprints.
    """
    if champion is None:
        return "There is no champion yet: the baselines decide"
    fingerprints = [
        (str(champion.properties["day"]), champion.properties["vocabulary_fingerprint"]),
        (candidate.partition, candidate.properties["vocabulary_fingerprint"]),
    ]
    later = max(day for day, _ in fingerprints)
    vocabulary = store.find(FEATURE_VOCABULARY, later)
    chain = {} if vocabulary is None else vocabulary.properties["chain"]
    if all(chain.get(day) == fingerprint for day, fingerprint in fingerprints):
        return None
    return (
        f"The champion of {champion.properties['day']} cannot read these rows: its ids are not those of "
        f"{FEATURE_VOCABULARY}[{later}]; the baselines decide"
    )


def score_champion(store: Store, champion: Manifest, evaluation: Manifest, rows: int) -> float | None:
    """The champion's logloss on the test rows that the evaluation was made on; ValueError when they are not there."""
    from ctr_assets.training.score import Scorer

    day = evaluation.partition
    encoded = [store.manifest(ENCODED_FEATURES, each) for each in sorted(set(evaluation.properties["window"]))]
    changed = [each.partition for each in encoded if evaluation.inputs.get(each.reference) != each.version]
    if changed:
        raise ValueError(
            f"{ENCODED_FEATURES} of {', '.join(changed)} changed after {EVALUATION_METRICS}[{day}] was made: "
            f"materialize {EVALUATION_METRICS} for {day} again"
        )
    labels, probabilities = score_test_rows(store, encoded, Scorer.load(store, champion))
    if len(labels) != rows:
        raise ValueError(f"{len(labels):,} test rows of {day} instead of {rows:,}: materialize {EVALUATION_METRICS}")
    return evaluate(labels, probabilities).logloss


def promote(
    store: Store, candidate: Manifest, evaluation: Manifest, decision: Decision, created_by: dict[str, str]
) -> Manifest:
    """Copy the candidate's files into a fresh version of the champion and commit it."""
    version = store.begin(CHAMPION_MODEL, CURRENT)
    files = [copy_file(store, candidate, file, version.folder) for file in candidate.files]
    properties = {
        **candidate.properties,
        "day": candidate.partition,
        "model_version": candidate.version,
        "decision": [decision.text, *decision.reasons],
    }
    return version.commit(
        files, candidate.columns, inputs=[candidate, evaluation], properties=properties, created_by=created_by
    )


def copy_file(store: Store, manifest: Manifest, file: DataFile, folder: str) -> DataFile:
    """Copy one file of a version. Raises ValueError when its bytes are not those that the manifest names."""
    with store.open_file(manifest, file) as source, write_bytes(store, folder, file.name) as sink:
        shutil.copyfileobj(source, sink, _COPY_BYTES)
    copied = describe(file.name, sink, file.rows)
    if copied.sha256 != file.sha256:
        raise ValueError(
            f"{store.file_path(manifest, file)} is not what its manifest names (SHA-256 {copied.sha256}): "
            f"materialize {manifest.table} for {manifest.partition} again"
        )
    return copied


def version_path(store: Store, manifest: Manifest) -> str:
    return store.path(manifest.table, manifest.partition, manifest.version)
