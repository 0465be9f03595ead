"""What happens to a custom resource and its run when either of them is lost, cancelled or refused.

The run is a real process; the operators are the scripted ones, held to recordings. ``pytest -s`` prints each error.
"""

import json
import signal
import subprocess
import sys
import threading
import time

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from google.cloud import storage

from ctr_assets.launch.kubernetes.handle import handles
from ctr_assets_tests.launch.kubernetes.cluster import launcher_of
from ctr_assets_tests.launch.scripted import DAYS, failure_of, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

PLURALS = {"spark": "sparkapplications", "pytorch": "pytorchjobs"}


@pytest.fixture(params=["spark", "pytorch"])
def kind(request):
    return request.param


@pytest.fixture
def launcher(kind, api_server, operator, gcs, tmp_path):
    return launcher_of(kind, api_server, tmp_path, gcs.name)


def resources(launcher):
    return launcher.client().find("app.kubernetes.io/managed-by=ctr-assets")


def message_objects(bucket):
    return [blob.name for blob in storage.Client().bucket(bucket).list_blobs(prefix="pipes/")]


def show(result):
    """The error as a person reads it."""
    told = failure_of(result)
    sys.stdout.write(f"\n{told}\n")
    return told


def test_the_handle_is_in_the_event_log_right_after_create(launcher, instance):
    result = materialize(launcher, instance)
    assert result.success
    (handle,) = handles(instance, instance.get_run_by_id(result.run_id))
    (resource,) = resources(launcher)
    assert (handle.name, handle.uid) == (resource["metadata"]["name"], resource["metadata"]["uid"])
    assert handle.message_prefix == f"pipes/{handle.name}"


def test_a_terminal_failure_leaves_nothing_and_the_next_attempt_has_a_fresh_name(launcher, instance, gcs):
    first = materialize(launcher, instance, fails="bad data")
    assert "bad data" in failure_of(first)
    assert resources(launcher) == []
    assert message_objects(gcs.name) == []


@pytest.mark.parametrize(
    ("kind", "scenario", "told"),
    [
        ("spark", "oom", ["ExitCode: 137, Reason: OOMKilled", "Pod "]),
        ("spark", "evicted", ["ExitCode: 143"]),
        ("spark", "force_deleted", ["driver pod not found", "Its main pod is gone, and its log with it"]),
        ("spark", "submission_failed", ["failed to submit spark application"]),
        ("pytorch", "ranks_run_on", ["replica(s) failed"]),
        ("pytorch", "deleted", ["replica(s) failed"]),
    ],
)
def test_each_way_to_fail_gives_an_error_that_says_so(
    kind, api_server, operator, gcs, tmp_path, instance, scenario, told
):
    operator.scenario = scenario
    launcher = launcher_of(kind, api_server, tmp_path, gcs.name)
    result = materialize(launcher, instance, seconds=60)
    assert not result.success
    text = show(result)
    assert all(part in text for part in told)
    assert materialized(instance) == set()
    assert resources(launcher) == []


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("image_cannot_be_pulled", ["pending limit", "ImagePull", "Events:"]),
        ("unschedulable", ["pending limit", "FailedScheduling"]),
    ],
)
def test_pending_for_ever_ends_with_the_pods_events(
    kind, api_server, operator, gcs, tmp_path, instance, scenario, told
):
    operator.scenario = scenario
    launcher = launcher_of(kind, api_server, tmp_path, gcs.name, cluster={"pending_limit_seconds": 3})
    result = materialize(launcher, instance)
    assert not result.success
    text = show(result)
    assert all(part in text for part in told)
    assert resources(launcher) == []


def test_a_webhooks_denial_is_told(launcher, api_server, instance):
    api_server.deny_create("image must come from our registry")
    result = materialize(launcher, instance)
    assert "image must come from our registry" in show(result)


def test_a_resource_deleted_by_someone_else_is_told(launcher, instance, tmp_path):
    gate = tmp_path / "gate"

    def delete_it():
        wait_until(lambda: bool(resources(launcher)))
        metadata = resources(launcher)[0]["metadata"]
        time.sleep(1)
        launcher.client().delete(metadata["name"], metadata["uid"])

    deleter = threading.Thread(target=delete_it)
    deleter.start()
    result = materialize(launcher, instance, wait_for_file=str(gate))
    deleter.join()
    assert "was deleted by someone else" in show(result)


def test_an_api_server_that_is_away_changes_nothing(launcher, api_server, instance, tmp_path):
    outage = threading.Timer(2.0, api_server.away_for, (6.0,))
    outage.start()
    result = materialize(launcher, instance, seconds=4)
    outage.join()
    assert result.success
    assert materialized(instance) == set(DAYS)


class Worker:
    """A run worker: a process that executes one run of an instance on disk, as a pod of the run launcher would."""

    def __init__(self, home, kind, launcher, behaviour):
        self.home, self.kind, self.behaviour = home, kind, behaviour
        self.launcher = {name: getattr(launcher, name) for name in ("settings_file", "messages_url", "kubeconfig")}
        home.mkdir(exist_ok=True)
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    def start(self, **run):
        arguments = json.dumps(
            {"home": str(self.home), "kind": self.kind, "launcher": self.launcher, "behaviour": self.behaviour, **run}
        )
        return subprocess.Popen([sys.executable, "-m", "ctr_assets_tests.launch.kubernetes.run_worker", arguments])

    def instance(self):
        return dg.DagsterInstance.from_config(str(self.home))


@pytest.fixture
def worker(kind, launcher, tmp_path):
    behaviour = {"wait_for_file": str(tmp_path / "gate"), "runs_file": str(tmp_path / "runs")}
    return Worker(tmp_path / "home", kind, launcher, behaviour)


def started(tmp_path):
    wait_until(lambda: (tmp_path / "runs").exists(), seconds=40)


def runs_of(instance):
    return sorted(instance.get_run_records(), key=lambda record: record.create_timestamp)


def test_a_retried_run_adopts_the_resource_of_its_lost_predecessor(worker, launcher, tmp_path):
    first = worker.start()
    started(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    (before,) = resources(launcher)
    with worker.instance() as instance:
        (record,) = runs_of(instance)
        lost = record.dagster_run
        retry = worker.start(retry_of=lost.run_id)
        wait_until(lambda: len(runs_of(instance)) == 2, seconds=40)
        (tmp_path / "gate").touch()
        assert retry.wait(timeout=60) == 0
        (after,) = resources(launcher)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert len((tmp_path / "runs").read_text().split()) == 1
        assert materialized(instance) == set(DAYS)
        records = instance.fetch_materializations(dg.AssetKey("scripted"), limit=10).records
        assert len(records) == len(DAYS)


def test_cancel_deletes_the_resource_within_ten_seconds(worker, launcher, tmp_path, gcs):
    process = worker.start()
    started(tmp_path)
    with worker.instance() as instance:
        run = runs_of(instance)[0].dagster_run
        instance.report_run_canceling(run)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: resources(launcher) == [])
        assert time.monotonic() - asked < 10
        process.wait(timeout=60)
        wait_until(lambda: instance.get_run_by_id(run.run_id).status == DagsterRunStatus.CANCELED)
    assert message_objects(gcs.name) == []


def test_a_worker_that_is_only_evicted_leaves_the_resource(worker, launcher, tmp_path):
    process = worker.start()
    started(tmp_path)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    (resource,) = resources(launcher)
    assert "deletionTimestamp" not in resource["metadata"]
    (tmp_path / "gate").touch()


def test_the_sweeper_takes_what_is_over_and_leaves_what_runs(worker, launcher, tmp_path, gcs):
    process = worker.start()
    started(tmp_path)
    with worker.instance() as instance:
        later = time.time() + 3600
        assert list(launcher.sweep(instance, now=later)) == []
        (tmp_path / "gate").touch()
        process.wait(timeout=60)
        assert list(launcher.sweep(instance)) == []
        (orphan,) = launcher.sweep(instance, now=later)
        assert "is over (SUCCESS)" in orphan.reason
    assert resources(launcher) == []
    assert message_objects(gcs.name) == []
