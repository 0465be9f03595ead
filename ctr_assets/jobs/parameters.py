"""What every job is told: where the tables are, which days to write, and for whom."""

from pydantic import BaseModel, ConfigDict, Field


class JobParams(BaseModel):
    """Base of every job's parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store_url: str = Field(description="Root of all tables and models: a folder or gs://bucket/prefix")
    created_by: dict[str, str] = Field(default_factory=dict, description="Run id and such, kept in the manifests")


class DayParams(JobParams):
    """Parameters of a job that writes one day: a model, or something about one."""

    day: str = Field(description="Day to write, YYYY-MM-DD")
    code_version: str = ""

    @property
    def written_by(self) -> dict[str, str]:
        """What the manifest keeps of who wrote it."""
        return {**self.created_by, "code_version": self.code_version}


class DaysParams(JobParams):
    """Parameters of a job that writes one table for a range of days."""

    days: list[str] = Field(min_length=1, description="Days to write, YYYY-MM-DD, ascending and without gaps")
