"""Job ``champion_model``: promotes a day's Wide & Deep model if it beats the champion and the baselines, or keeps.

All loglosses are of the candidate's test rows. A promoted model is copied, so deleting old days never hurts the
champion. A champion whose ids mean other values than these rows' cannot read them; the baselines then decide alone.

Reported metadata: ``promoted``, ``decision``, ``reasons``, ``candidate_day``, ``champion_day`` (the champion before the
decision, ``none`` at first), ``rows``, ``candidate_logloss``, ``<model>_logloss`` of each baseline,
``champion_logloss`` (left out when there is none to compare with), and ``version`` and ``path`` of the champion after
the decision (left out while there is none).
"""

import os

from pydantic import Field

from ctr_assets.days import Day
from ctr_assets.evaluation.contest import hold_contest
from ctr_assets.evaluation.promotion import Decision
from ctr_assets.evaluation.scored import BASELINES, WIDE_DEEP, ClickScorer, RowsOf
from ctr_assets.jobs.parameters import DayParams
from ctr_assets.jobs.report import Report, bullets, path
from ctr_assets.storage import DataFile, Manifest, Store
from ctr_assets.storage.parts import write_file
from ctr_assets.tables import CHAMPION_MODEL, CURRENT


class Params(DayParams):
    """What the job is told."""

    day: Day = Field(description="Day of the model that is put up for promotion, YYYY-MM-DD")


def run(params: Params, report: Report) -> None:
    """Decide, commit if promoted, and report in any case."""
    if int(os.environ.get("RANK", "0")):
        return  # one process decides
    store = Store(params.store_url)
    contest = hold_contest(store, params.day, lambda champion: load_champion(store, champion, report))
    decision, champion = contest.decision, contest.champion
    report.log(decision.text)
    current = champion
    if decision.promoted:
        current = promote(store, contest.candidate, contest.evaluation, decision, params.written_by)
    measured = {
        "candidate_logloss": contest.loglosses[WIDE_DEEP],
        "champion_logloss": contest.champion_logloss,
        **{f"{model}_logloss": contest.loglosses[model] for model in BASELINES},
    }
    version = {} if current is None else {"version": current.version, "path": path(version_path(store, current))}
    report.partition(
        "",
        {
            "promoted": decision.promoted,
            "decision": decision.text,
            "reasons": bullets(decision.reasons or [decision.text]),
            "candidate_day": params.day,
            "champion_day": "none" if champion is None else champion.properties["day"],
            "rows": contest.evaluation.properties["metrics"][RowsOf.TEST.value][WIDE_DEEP]["rows"],
            **{name: logloss for name, logloss in measured.items() if logloss is not None},
            **version,
        },
    )


def load_champion(store: Store, champion: Manifest, report: Report) -> ClickScorer:
    """The champion, ready to predict."""
    from ctr_assets.training.score import Scorer

    report.log(f"scoring with the champion of {champion.properties['day']}")
    return Scorer.load(store, champion)


def promote(
    store: Store, candidate: Manifest, evaluation: Manifest, decision: Decision, created_by: dict[str, str]
) -> Manifest:
    """Copy the candidate's weights and card into a fresh version of the champion and commit it.

    Its figures on the test rows go with it (``test_metrics``): what later days are held against.
    """
    from ctr_assets.training.publish import CARD_NAME, WEIGHTS_NAME

    version = store.begin(CHAMPION_MODEL, CURRENT)
    kept = [store.file(candidate, name) for name in (WEIGHTS_NAME, CARD_NAME)]
    files = [copy_file(store, candidate, file, version.folder) for file in kept]
    properties = {
        **candidate.properties,
        "day": candidate.partition,
        "model_version": candidate.version,
        "test_metrics": evaluation.properties["metrics"][RowsOf.TEST.value][WIDE_DEEP],
        "decision": [decision.text, *decision.reasons],
    }
    return version.commit(
        files, candidate.columns, inputs=[candidate, evaluation], properties=properties, created_by=created_by
    )


def copy_file(store: Store, manifest: Manifest, file: DataFile, folder: str) -> DataFile:
    """Copy one file of a version. Raises UnreadableError when its bytes are not those that the manifest names."""
    with store.local_file(manifest, file) as local:
        return write_file(store, folder, file.name, local, file.rows)


def version_path(store: Store, manifest: Manifest) -> str:
    return store.path(manifest.table, manifest.partition, manifest.version)
