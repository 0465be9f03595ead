"""How a job reaches an engine. Asset code describes a job and calls the bound launcher, wherever that runs it."""

from ctr_assets.launch.job import Footprint, JobDescription
from ctr_assets.launch.launcher import JobFailedError, JobLauncher
from ctr_assets.launch.process import ProcessLauncher

__all__ = ["Footprint", "JobDescription", "JobFailedError", "JobLauncher", "ProcessLauncher"]
