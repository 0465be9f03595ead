"""What is particular to jobs that are child processes: their end with the run, and torchrun."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ctr_assets.launch import JobDescription, ProcessLauncher
from ctr_assets_tests.launch.scripted_job import Notes


class ScriptedProcessLauncher(ProcessLauncher):
    """The launcher itself, with the scripted job in place of an entry point of the package."""

    def command(self, job: JobDescription) -> list[str]:
        return [sys.executable, "-m", "ctr_assets_tests.launch.scripted_job", *job.arguments]


def alive(pid):
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["cancelled", "killed"])
def test_the_job_does_not_outlive_its_run(tmp_path, how):
    script = f"""
        import dagster as dg
        from ctr_assets_tests.launch.scripted import materialize
        from ctr_assets_tests.launch.test_process_launcher import ScriptedProcessLauncher
        instance = dg.DagsterInstance.ephemeral()
        materialize(ScriptedProcessLauncher(), instance, seconds=300, notes_url={str(tmp_path)!r})
    """
    run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.DEVNULL)
    wait_until(lambda: Notes(str(tmp_path)).process_ids() != [])
    (job,) = Notes(str(tmp_path)).process_ids()
    assert alive(job)
    run.send_signal(how)
    wait_until(lambda: not alive(job))
    run.wait(timeout=60)


def test_several_processes_run_training_through_torchrun():
    job = JobDescription("wide_deep_model", {"day": "2014-10-21"}, ("2014-10-21",))
    command = ProcessLauncher(processes=2).command(job)
    assert command[1:4] == ["-m", "torch.distributed.run", "--standalone"]
    assert command[4] == "--nproc-per-node=2"
    assert command[-4:] == ["ctr_assets.jobs", "wide_deep_model", "--params", '{"day": "2014-10-21"}']
    single = ProcessLauncher().command(job)
    assert single[1:4] == ["-m", "ctr_assets.jobs", "wide_deep_model"]


def test_only_training_is_shared_among_processes():
    job = JobDescription("evaluation_metrics", {"day": "2014-10-21"}, ("2014-10-21",))
    assert ProcessLauncher(processes=2).command(job)[1:3] == ["-m", "ctr_assets.jobs"]
