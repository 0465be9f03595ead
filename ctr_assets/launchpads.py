"""What the launchpad of each asset of a training takes, so that it can be checked before a run is asked for."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.days import Day
from ctr_assets.jobs import SPARK_JOBS
from ctr_assets.launch.kubernetes.settings import PyTorchSettings, SparkSettings
from ctr_assets.problems import SettingsError, problems
from ctr_assets.training.config import TrainingConfig

RESOURCES: Final = "resources"
"""Field of every launchpad: the deployment's sizes that a run overrides on a cluster."""


class NothingToChoose(BaseModel):
    """A job without a configuration of its own."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CandidateConfig(BaseModel):
    """Which model is put up for promotion."""

    model_config = ConfigDict(extra="forbid", strict=True)

    candidate_day: Day | None = Field(
        default=None,
        description="Day (YYYY-MM-DD) of the model to consider; when left out, the run's partition (the last of "
        "a range) or, in a run without one, the newest evaluated day",
    )


LAUNCHPADS: Final[dict[str, type[BaseModel]]] = {
    "wide_deep_model": TrainingConfig,
    "gbt_baseline": GbtConfig,
    "logistic_baseline": LogisticConfig,
    "evaluation_metrics": NothingToChoose,
    "evaluation_report": NothingToChoose,
    "champion_model": CandidateConfig,
    "serving_model": NothingToChoose,
}
"""Asset that the job ``models`` makes → what can be chosen for it, besides ``RESOURCES``."""


def check_launchpads(given: Mapping[str, Any]) -> None:
    """Refuse what a run of the job ``models`` would refuse. Raises :class:`SettingsError` that lists every problem."""
    wrong = [problem for asset, chosen in given.items() for problem in _problems_of(asset, chosen)]
    if wrong:
        raise SettingsError("; ".join(wrong))


def _problems_of(asset: str, chosen: Any) -> list[str]:
    if asset not in LAUNCHPADS:
        return [f"{asset}: no asset that a training makes; those are {', '.join(LAUNCHPADS)}"]
    if not isinstance(chosen, Mapping):
        return [f"{asset}: expected an object of fields and their values (got {chosen!r})"]
    fields = {name: value for name, value in chosen.items() if name != RESOURCES}
    wrong = _wrong_fields(asset, LAUNCHPADS[asset], fields, (RESOURCES,))
    if RESOURCES in chosen:
        sizes = SparkSettings if asset in SPARK_JOBS else PyTorchSettings
        place = f"{asset}.{RESOURCES}"
        if isinstance(chosen[RESOURCES], Mapping):
            wrong += _wrong_fields(place, sizes, chosen[RESOURCES])
        else:
            wrong.append(f"{place}: expected an object of fields and their values (got {chosen[RESOURCES]!r})")
    return wrong


def _wrong_fields(
    place: str, model: type[BaseModel], fields: Mapping[str, Any], others: tuple[str, ...] = ()
) -> list[str]:
    unknown = [name for name in fields if name not in model.model_fields]
    known = [*model.model_fields, *others]
    wrong = [f"{place}.{name}: no such field; there are {', '.join(known)}" for name in unknown]
    try:
        model.model_validate({name: value for name, value in fields.items() if name not in unknown})
    except ValidationError as e:
        # Whether sizes fit together depends on the deployment's own, which are not known here.
        if model not in (SparkSettings, PyTorchSettings) or any(problem["loc"] for problem in e.errors()):
            wrong.append(problems(place, e))
    return wrong
