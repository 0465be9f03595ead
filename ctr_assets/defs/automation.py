"""What can be set of the automation, and whether it is on when a deployment is first loaded."""

from typing import Any, Final

import dagster as dg
from pydantic import Field, FiniteFloat

from ctr_assets.automation.retraining import Policy, Training
from ctr_assets.automation.rules import WaitFor, WatchRules
from ctr_assets.defs import SETTINGS
from ctr_assets.defs.partitions import daily
from ctr_assets.settings import Settings
from ctr_assets.tables import WIDE_DEEP_MODEL

IS_ON: Final = SETTINGS.automation == "on"
"""Runs cost money and minutes: a new deployment starts none until ``CTR_AUTOMATION=on``, or a switch in the UI."""
SENSOR_STATUS: Final = dg.DefaultSensorStatus.RUNNING if IS_ON else dg.DefaultSensorStatus.STOPPED
SCHEDULE_STATUS: Final = dg.DefaultScheduleStatus.RUNNING if IS_ON else dg.DefaultScheduleStatus.STOPPED
SENSOR_SECONDS: Final = SETTINGS.sensor_seconds
"""Least seconds between two looks of a sensor."""


class LandingWatch(dg.ConfigurableResource[Any]):
    """How the landing zone is watched."""

    wait_for: WaitFor = Field(
        default=WaitFor.SETTLED,
        description="What says that a day is complete. settled: it has not changed for settle_seconds; success_marker: "
        "_SUCCESS was written in its folder, and no file after it (archives settle in any case)",
    )
    settle_seconds: FiniteFloat = Field(
        default=30, ge=0, le=86_400, description="Seconds between two looks that must find the same content"
    )
    budget_seconds: FiniteFloat = Field(
        default=20,
        gt=0,
        le=50,
        description="Seconds after which a look stops, and the next goes on (Dagster allows 60)",
    )

    def rules(self) -> WatchRules:
        """For the days that the graph has by now."""
        return WatchRules(daily.get_partition_keys(), self.wait_for, self.settle_seconds, self.budget_seconds)


class RetrainingPolicy(dg.ConfigurableResource[Any]):
    """When a new model is worth its cost."""

    train_after_days: int = Field(
        default=1, ge=1, le=365, description="Labelled days newer than the newest model, from which on one is trained"
    )
    max_normalized_entropy_increase: FiniteFloat = Field(
        default=0.02,
        gt=0,
        le=10,
        description="Relative increase of the champion's normalized entropy on the newest day over its own at "
        "promotion; more trains a model before train_after_days",
    )
    max_calibration_error: FiniteFloat = Field(
        default=0.1,
        gt=0,
        le=10,
        description="|champion's mean prediction / click rate - 1| on the newest day; more trains too",
    )
    launchpad: dict[str, Any] = Field(
        default={},
        description="What a person would set in the launchpad, by asset, for the runs that are requested: "
        '{"wide_deep_model": {"epochs": 3, "resources": {"workers": 2}}}',
    )

    def policy(self) -> Policy:
        return Policy(self.train_after_days, self.max_normalized_entropy_increase, self.max_calibration_error)

    def launchpad_of(self, training: Training) -> dict[str, Any]:
        """The launchpad of a training's run, by asset."""
        start = {"start": "scratch"} if training.from_scratch else {}
        return {**self.launchpad, WIDE_DEEP_MODEL: {**self.launchpad.get(WIDE_DEEP_MODEL, {}), **start}}


class PredictionPolicy(dg.ConfigurableResource[Any]):
    """What is predicted again when another model is promoted."""

    newest_days: int = Field(
        default=1, ge=0, le=3650, description="Newest days that a new champion predicts again; 0: none"
    )


def landing_watch(settings: Settings = SETTINGS) -> LandingWatch:
    """The defaults, and what the settings say of them."""
    return LandingWatch(wait_for=settings.wait_for, settle_seconds=settings.settle_seconds)


def retraining_policy(settings: Settings = SETTINGS) -> RetrainingPolicy:
    """The defaults, and what the settings say of them."""
    return RetrainingPolicy(train_after_days=settings.train_after_days, launchpad=settings.training_launchpad)


def prediction_policy(settings: Settings = SETTINGS) -> PredictionPolicy:
    """The defaults, and what the settings say of them."""
    return PredictionPolicy(newest_days=settings.predict_newest_days)
