"""The settings of a deployment: environment variables named CTR_*, read and checked together. Values, no behaviour.

python -m ctr_assets.settings        # the table of them
"""

import json
import os
import re
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ctr_assets.automation.rules import WaitFor
from ctr_assets.days import Day, real_day
from ctr_assets.launchpads import check_launchpads
from ctr_assets.problems import SettingsError
from ctr_assets.urls import BUCKET, PLACE, Bucket, Place

PREFIX: Final = "CTR_"
OTHERS: Final = re.compile(r"CTR_(LAUNCHER_PID|TESTS?_.*|.*_(SERVICE_(HOST|PORT\w*)|PORT|PORT_\d+_\w+))")
"""Variables of that prefix that are no settings: a launcher's for its jobs, the tests' own, and what Kubernetes gives
every pod for a Service named ctr-something (CTR_SOMETHING_PORT)."""
LIKENESS: Final = 0.8
"""From it on a name is taken for a misspelt setting: AUTOMATON is 0.95 like AUTOMATION, ZONE 0.15."""
SHOWN_CHARACTERS: Final = 200
"""Most characters of a wrong value in an error."""


def _launchpads(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        if not isinstance(given, dict):
            raise ValueError("it is no object")
    except ValueError as e:
        raise ValueError(f"expected a JSON object of assets and their fields, but {e}") from e
    check_launchpads(given)
    return given


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if twice := sorted({name for name, _ in pairs if [each for each, _ in pairs].count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is given twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


File = Annotated[str, Field(min_length=1)]
Launchpads = Annotated[dict[str, Any], NoDecode, BeforeValidator(_launchpads)]


def _setting(default: Any, description: str, expected: str | None = None, **bounds: Any) -> Any:
    """``expected`` says what a value may be where type and bounds do not."""
    return Field(default=default, description=description, json_schema_extra={"expected": expected}, **bounds)


class Settings(BaseSettings):
    """All settings, each the environment variable of its name in capitals after ``CTR_``; unset is its default."""

    # The name as it is written: ctr_automation would be a second way to say the same.
    model_config = SettingsConfigDict(
        alias_generator=lambda name: PREFIX + name.upper(), case_sensitive=True, frozen=True, allow_inf_nan=False
    )

    deployment: Literal["laptop", "kubernetes"] = _setting(
        "laptop",
        "Where jobs run: `kubernetes` has the same assets, jobs as SparkApplications and PyTorchJobs or TrainJobs",
    )
    first_day: Day = _setting("2014-10-21", "First day of the graph, UTC", "a day, YYYY-MM-DD, of 2000 to 2099")
    last_day: str = _setting(
        "2014-10-31", "Last day of the graph, UTC; `open` for a live feed", "a day not before CTR_FIRST_DAY, or open"
    )
    landing_url: Place | None = _setting(
        None, "Where impressions are delivered, apart from the store (`make`: `DATA/landing`)", PLACE
    )
    store_url: Place | None = _setting(None, "Root of all tables and models (`make`: `DATA/store`)", PLACE)
    truth_folder: File | None = _setting(
        None,
        "True click probabilities of the demo, told in reports as the best reachable (`make`: `DATA/truth`)",
        "a folder",
    )
    training_processes: int = _setting(
        1, "Data-parallel processes of one training on a laptop, through `torchrun`", ge=1, le=64
    )
    automation: Literal["off", "on"] = _setting(
        "off", "`on`: sensors and schedules run from the start; `off`: each waits to be switched on in the UI"
    )
    wait_for: WaitFor = _setting(
        WaitFor.SETTLED,
        "A day is complete when unchanged for CTR_SETTLE_SECONDS, or at its `_SUCCESS` (`success_marker`)",
        " or ".join(WaitFor),
    )
    settle_seconds: float = _setting(
        30.0, "Seconds between two looks that must find the same delivery", ge=0, le=86_400
    )
    sensor_seconds: int = _setting(30, "Least seconds between two looks of a sensor", ge=1, le=86_400)
    train_after_days: int = _setting(
        1, "Labelled days newer than the newest model, from which on one is trained", ge=1, le=365
    )
    fresh_every_days: int = _setting(
        7,
        "Days after which a model learns its whole window from scratch again, in place of going on from the day "
        "before; 0: never",
        ge=0,
        le=3650,
    )
    predict_newest_days: int = _setting(1, "Newest days that a new champion predicts again; 0: none", ge=0, le=3650)
    training_launchpad: Launchpads = _setting(
        {},
        "Launchpad config, by asset, of the runs that the retraining sensor requests",
        'JSON: {"wide_deep_model": {"epochs": 3}}',
        validate_default=False,
    )
    kubernetes_settings: File | None = _setting(
        None, "On `kubernetes`: YAML of cluster, spark and pytorch (`deploy/README.md`)", "a file"
    )
    messages_url: Bucket | None = _setting(None, "On `kubernetes`: where jobs report to their runs", BUCKET)
    pytorch_kind: Literal["pytorchjob", "trainjob"] = _setting(
        "pytorchjob",
        "On `kubernetes`: PyTorch jobs as PyTorchJobs of the training-operator, or as TrainJobs of Kubeflow Trainer",
    )
    kubeconfig: File | None = _setting(
        None, "On `kubernetes`: credentials of the cluster; unset, the pod's service account", "a file"
    )

    @field_validator("last_day")
    @classmethod
    def _is_not_before_the_first(cls, last_day: str, info: ValidationInfo) -> str:
        if last_day == "open":
            return last_day
        try:
            real_day(last_day)
        except ValueError as e:
            raise ValueError(f"{e}, or open") from e
        # A wrong first day has an error of its own.
        first_day = info.data.get("first_day", last_day)
        if last_day < first_day:
            raise ValueError(f"expected a day not before CTR_FIRST_DAY, which is {first_day}, or open")
        return last_day


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


VARIABLES: Final = {variable(name): field for name, field in Settings.model_fields.items()}


def read_settings() -> Settings:
    """The settings in the environment. Raises :class:`SettingsError` that lists every variable at fault.

    A variable that looks like a setting's is an error; any other CTR_* that is no setting is warned of.
    """
    wrong = list(_misspelt(os.environ))
    try:
        settings = Settings()
    except ValidationError as e:
        wrong += [_problem(str(problem["loc"][0]), problem) for problem in e.errors()]
    if wrong:
        listed = "\n".join(f"  {each}" for each in wrong)
        # Not "from e": the same again in pydantic's words, with a second traceback, hides the list.
        raise SettingsError(
            f"The environment sets what cannot be:\n{listed}\nCorrect or unset each where this process is started; "
            "python -m ctr_assets.settings lists what may be set"
        ) from None
    return settings


def require(name: str, value: str) -> None:
    """Refuse to go on without the setting ``name``. Raises :class:`SettingsError`."""
    if not value:
        expected = expected_of(Settings.model_fields[name])
        raise SettingsError(
            f"{variable(name)} is not set, expected {expected}: set it where the code location and its runs start"
        )


def expected_of(field: FieldInfo) -> str:
    """What a value of a setting may be."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and extra["expected"]:
        return str(extra["expected"])
    if get_origin(field.annotation) is Literal:
        return " or ".join(get_args(field.annotation))
    low = next(bound.ge for bound in field.metadata if hasattr(bound, "ge"))
    high = next(bound.le for bound in field.metadata if hasattr(bound, "le"))
    return f"{'a whole number' if field.annotation is int else 'a number'} from {low} to {high}"


def markdown_table() -> str:
    """All settings, as the reference shows them."""
    lines = ["| variable | default | may be | meaning |", "|---|---|---|---|"]
    for name, field in VARIABLES.items():
        default = "" if field.default is None else f"{field.default:g}" if field.annotation is float else field.default
        lines.append(f"| `{name}` | {default} | {expected_of(field)} | {field.description} |")
    return "\n".join(lines)


def _problem(place: str, problem: Mapping[str, Any]) -> str:
    # A default that does not fit another setting is told under the field's name, a value under the variable's.
    name = place if place in VARIABLES else variable(place)
    value = repr(problem["input"])
    if len(value) > SHOWN_CHARACTERS:
        value = f"{value[:SHOWN_CHARACTERS]}…"
    cause = problem.get("ctx", {}).get("error")
    return f"{name} is {value}, {cause or f'expected {expected_of(VARIABLES[name])}'}"


def _misspelt(environment: Mapping[str, str]) -> list[str]:
    settings = [name.removeprefix(PREFIX) for name in VARIABLES]
    wrong = []
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name in VARIABLES or OTHERS.fullmatch(name):
            continue
        meant = get_close_matches(name.upper().removeprefix(PREFIX), settings, n=1, cutoff=LIKENESS)
        if meant:
            wrong.append(f"{name} is no setting: {PREFIX}{meant[0]} is meant?")
        else:
            warnings.warn(f"{name} is set but is no setting of ctr_assets and does nothing", stacklevel=3)
    return wrong


if __name__ == "__main__":
    print(markdown_table())  # noqa: T201
