"""A job as a child process of the run, reporting through Pipes: PyTorch on a laptop, one or several ranks."""

import os
import signal
import subprocess
import sys
import time
from typing import Final

import dagster as dg
from dagster import PipesSession
from pydantic import Field, FiniteFloat

from ctr_assets.jobs import DISTRIBUTED_JOBS
from ctr_assets.launch.job import Footprint, JobDescription, Outcome
from ctr_assets.launch.launcher import JobLauncher

LAUNCHER_PID_VARIABLE: Final = "CTR_LAUNCHER_PID"
"""Names the process whose death a job must not outlive: an orphan would go on training beside the retried run."""


class ProcessLauncher(JobLauncher):
    """Runs ``python -m ctr_assets.jobs`` on this machine, through ``torchrun`` when it has more than one process."""

    processes: int = Field(default=1, ge=1, le=64, description="Data-parallel processes of the training job")
    grace_seconds: FiniteFloat = Field(
        default=10.0, ge=0, le=3600, description="Seconds between SIGTERM and SIGKILL on cancel"
    )

    def execute(self, context: dg.AssetExecutionContext, job: JobDescription, session: PipesSession) -> Outcome:
        environment = {
            **os.environ,
            **session.get_bootstrap_env_vars(),
            LAUNCHER_PID_VARIABLE: str(os.getpid()),
        }
        process = subprocess.Popen(self.command(job), env=environment, start_new_session=True)
        context.log.info(f"{job.name} runs as process {process.pid}")
        try:
            code = process.wait()
        except BaseException:
            # Cancel reaches the run as an interrupt: the job and its ranks must not outlive it.
            self._stop(process)
            raise
        if code == 0:
            return Outcome()
        killed_by = f" ({signal.Signals(-code).name})" if code < 0 else ""
        return Outcome(f"exit code {code}{killed_by}; its output is in the run's compute logs")

    def command(self, job: JobDescription) -> list[str]:
        """The command line of the job."""
        if self.processes == 1 or job.name not in DISTRIBUTED_JOBS:
            return [sys.executable, "-m", "ctr_assets.jobs", *job.arguments]
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.processes}"]
        return [*torchrun, "-m", "ctr_assets.jobs", *job.arguments]

    def footprint(self, job: JobDescription) -> Footprint:
        return Footprint(cores=os.cpu_count() or 1)

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + self.grace_seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
