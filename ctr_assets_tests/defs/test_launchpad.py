"""The launchpad shows the jobs' own configuration, bounds included, and passes on only what was set."""

from typing import Any, Literal

import dagster as dg
import pytest
from pydantic import BaseModel, Field, ValidationError

from ctr_assets.defs.launchpad import chosen, launchpad_config
from ctr_assets.defs.models import GbtBaselineConfig, LogisticBaselineConfig, WideDeepConfig
from ctr_assets.training.config import TrainingConfig


class Settings(BaseModel):
    preset: Literal["small", "large"] = Field("small", description="Which")
    steps: int = Field(3, ge=1, description="How many")
    rates: list[float] = Field([0.1], description="How fast")
    cap: int | None = Field(None, ge=1, description="At most")


Config = launchpad_config(Settings, "Settings")


def test_nothing_set_passes_nothing_on():
    assert chosen(Config()) == {}


def test_what_is_set_is_passed_on_as_plain_values():
    values: dict[str, Any] = {"preset": "large", "steps": 5, "rates": [0.5], "cap": 7}
    assert chosen(Config(**values)) == values


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"cap": 0}, {"preset": "huge"}])
def test_wrong_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        Config(**wrong)


def test_dagster_refuses_a_wrong_value_before_anything_starts():
    ran = []

    @dg.asset
    def model(config: Config):  # type: ignore[valid-type]
        ran.append(chosen(config))

    def run(config):
        return dg.materialize([model], run_config={"ops": {"model": {"config": config}}}, raise_on_error=False)

    assert run({"steps": 4, "preset": "large"}).success
    assert ran == [{"steps": 4, "preset": "large"}]
    assert not run({"steps": 0}).success
    for wrong in ({"steps": "many"}, {"stepz": 1}):
        with pytest.raises(dg.DagsterInvalidConfigError):
            run(wrong)
    assert len(ran) == 1


@pytest.mark.parametrize("config", [WideDeepConfig, GbtBaselineConfig, LogisticBaselineConfig])
def test_every_field_is_described(config):
    assert all(info.description for info in config.model_fields.values())


def test_the_fields_are_those_of_training_and_resources():
    assert set(WideDeepConfig.model_fields) == {*TrainingConfig.model_fields, "resources"}
    values: dict[str, Any] = {"preset": "original", "epochs": 2}
    assert TrainingConfig(**chosen(WideDeepConfig(**values))).epochs == 2
