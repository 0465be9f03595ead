"""How a job reaches an engine. Asset code describes a job and calls the bound launcher; it never knows where it runs."""

from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.launcher import JobFailedError, JobLauncher
from ctr_assets.launch.process import ProcessLauncher

__all__ = ["JobDescription", "JobFailedError", "JobLauncher", "ProcessLauncher"]
