"""What every job is told: where the tables are, which days to write, and for whom."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctr_assets.days import Day, Days
from ctr_assets.urls import Place


class JobParams(BaseModel):
    """Base of every job's parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    store_url: Place = Field(description="Root of all tables and models: a folder or gs://bucket/prefix")
    created_by: dict[str, str] = Field(default_factory=dict, description="Run id and such, kept in the manifests")


class DayParams(JobParams):
    """Parameters of a job that writes one day: a model, or something about one."""

    day: Day = Field(description="Day to write, YYYY-MM-DD")
    code_version: str = Field(default="", description="Of the asset's code, kept in the manifests")

    @property
    def written_by(self) -> dict[str, str]:
        """What the manifest keeps of who wrote it."""
        return {**self.created_by, "code_version": self.code_version}


class WindowParams(DayParams):
    """Parameters of a job about a model and the days that it learns from."""

    window: Days = Field(
        min_length=1, description="Days to learn from, oldest first and without gaps; the last is the model's day"
    )

    @model_validator(mode="after")
    def _window_ends_with_the_day(self) -> Self:
        if self.window[-1] != self.day:
            raise ValueError(f"window ends with {self.window[-1]}, expected the model's day, {self.day}")
        return self


class DaysParams(JobParams):
    """Parameters of a job that writes one table for a range of days."""

    days: Days = Field(min_length=1, description="Days to write, YYYY-MM-DD, ascending and without gaps")
