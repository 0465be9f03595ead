"""The launch path through a child process: green means done, and nothing else does."""

import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import dagster as dg
import pytest

from ctr_assets.launch import JobDescription, ProcessLauncher

DAYS = ("2014-10-21", "2014-10-22")
daily = dg.DailyPartitionsDefinition(start_date=DAYS[0], end_date="2014-10-23")


class ScriptedLauncher(ProcessLauncher):
    """The launcher itself, with the scripted job in place of an entry point of the package."""

    def command(self, job: JobDescription) -> list[str]:
        return [sys.executable, "-m", "ctr_assets_tests.launch.scripted_job", *job.arguments]


def materialize(instance, days=DAYS, expected=None, **behaviour):
    """Materialize a range of days with a job that behaves as told."""

    @dg.asset(partitions_def=daily, backfill_policy=dg.BackfillPolicy.single_run())
    def scripted(context: dg.AssetExecutionContext, launcher: dg.ResourceParam[ScriptedLauncher]):
        launcher.launch(context, JobDescription("scripted", behaviour, expected or tuple(days)))
        return dg.MaterializeResult()

    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    return dg.materialize(
        [scripted], instance=instance, resources={"launcher": ScriptedLauncher()}, tags=tags, raise_on_error=False
    )


def failure_of(result):
    (event,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    data = event.step_failure_data
    assert data.error is not None
    return data.user_failure_data.description if data.user_failure_data else data.error.message


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_each_partition_of_a_range_gets_its_own_metadata(instance):
    result = materialize(instance, reports=list(DAYS))
    assert result.success
    records = instance.fetch_materializations(dg.AssetKey("scripted"), limit=5).records
    found = {r.partition_key: r.asset_materialization.metadata["name"].value for r in records}
    assert found == {day: day for day in DAYS}


def test_what_the_job_says_reaches_the_event_log(instance):
    result = materialize(instance, reports=list(DAYS))
    messages = [record.user_message for record in instance.all_logs(result.run_id)]
    assert "working on 2014-10-21" in messages


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"fails": "LandingError: train.gz is truncated"}, "scripted failed: LandingError: train.gz is truncated"),
        ({"killed": True}, r"scripted failed: exit code -9 \(SIGKILL\); its output is in the run's compute logs"),
        ({"ends_without_closing": True}, "scripted ended without closing its report"),
        ({"crash_before_opening": True}, "scripted failed: exit code 3"),
        ({"reports": [DAYS[0]]}, "scripted reported nothing for '2014-10-22'"),
    ],
    ids=["failure", "killed", "no closing message", "crash before the first message", "a partition is missing"],
)
def test_nothing_is_materialized_unless_the_job_reported_it_and_closed(instance, behaviour, error):
    result = materialize(instance, **{"reports": list(DAYS), **behaviour})
    assert not result.success
    assert instance.get_materialized_partitions(dg.AssetKey("scripted")) == set()
    assert re.search(error, failure_of(result))


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
        from ctr_assets_tests.launch.test_process_launcher import materialize
        materialize(dg.DagsterInstance.ephemeral(), reports=[], seconds=300, pid_file={str(tmp_path / "pid")!r})
    """
    run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "pid").exists)
    wait_until(lambda: (tmp_path / "pid").read_text().strip() != "")
    job = int((tmp_path / "pid").read_text())
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
