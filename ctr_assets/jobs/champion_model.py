"""Job ``champion_model``: promotes a day's Wide & Deep model if it is better than the champion, or fresher and as good.

The rule is ``evaluation.promotion``'s, on the rows that ``evaluation.contest`` finds. A promoted model is copied, so
deleting old days never hurts the champion. A champion whose ids mean other values than these rows' cannot read them;
the baselines then decide alone.

Reported metadata: ``decision``, ``promoted``, ``reasons``, ``candidate_day``, ``champion_day`` (the champion before the
decision, ``none`` at first); of the comparison with the champion (left out when there is none to compare with)
``compared_on``, ``rows``, ``candidate_logloss``, ``champion_logloss``, ``logloss_difference`` and its
``standard_error``; ``<model>_logloss`` of the baselines; and ``version`` and ``path`` of the champion after the
decision (left out while there is none).
"""

from typing import Any

from pydantic import Field

from ctr_assets.days import Day
from ctr_assets.evaluation.contest import Contest, hold_contest
from ctr_assets.evaluation.evaluated import day_of
from ctr_assets.evaluation.promotion import Decision
from ctr_assets.evaluation.scored import WIDE_DEEP, ClickScorer, RowsOf
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
    store = Store(params.store_url)
    contest = hold_contest(store, params.day, lambda model: load_model(store, model, report))
    decision, champion = contest.decision, contest.champion
    report.log(decision.text)
    current = champion
    if decision.promoted:
        current = promote(store, contest.candidate, contest.evaluation, decision, params.written_by)
    version = {} if current is None else {"version": current.version, "path": path(version_path(store, current))}
    report.partition(
        "",
        {
            "decision": decision.text,
            "promoted": decision.promoted,
            "candidate_day": params.day,
            "champion_day": "none" if champion is None else champion.properties["day"],
            **figures(contest),
            "reasons": bullets(decision.reasons or [decision.text]),
            **version,
        },
    )


def figures(contest: Contest) -> dict[str, Any]:
    """The numbers of a contest; what is undefined has no key."""
    compared, loglosses = contest.comparison, dict(contest.loglosses)
    evaluated = loglosses.pop(WIDE_DEEP)
    numbers: dict[str, Any] = {
        "candidate_logloss": evaluated if compared is None else compared.candidate,
        "champion_logloss": compared and compared.champion,
        "logloss_difference": compared and compared.difference,
        "standard_error": compared and compared.standard_error,
        "rows": contest.evaluation.properties["metrics"][contest.rows_of.value][WIDE_DEEP]["rows"]
        if compared is None
        else compared.rows,
        "compared_on": compared and compared.rows_text,
        **{f"{model}_logloss": logloss for model, logloss in loglosses.items()},
    }
    return {name: number for name, number in numbers.items() if number is not None}


def load_model(store: Store, model: Manifest, report: Report) -> ClickScorer:
    """A Wide & Deep model, or the champion, ready to predict."""
    from ctr_assets.training.score import Scorer

    report.log(f"scoring with {model.table} of {day_of(model)}")
    return Scorer.load(store, model)


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
