"""What becomes of a custom resource when its run worker is lost, evicted or cancelled. On any cluster."""

import signal
import time
from datetime import datetime

import pytest
from dagster import DagsterRunStatus

from ctr_assets.launch import JobDescription
from ctr_assets_tests.launch.kubernetes.worker import WAIT_SECONDS, Worker, runs_of
from ctr_assets_tests.launch.scripted import DAYS, KEY, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

pytestmark = pytest.mark.long

ALONE_SECONDS = 20
# Kind of the resource, changes of the settings, and the ranks that run.
JOBS: dict[str, tuple[str, dict, list[int]]] = {
    "spark": ("spark", {}, [0]),
    "pytorch": ("pytorch", {}, [0]),
    "trainjob": ("trainjob", {}, [0]),
    "three ranks of a TrainJob": ("trainjob", {"pytorch": {"workers": 2}}, [0, 1, 2]),
    "three ranks": ("pytorch", {"pytorch": {"workers": 2}}, [0, 1, 2]),
}


@pytest.fixture
def worker(cluster, kind, tmp_path):
    return Worker(cluster, kind, tmp_path / "home")


@pytest.mark.parametrize(
    ("job", "how"),
    [
        ("spark", signal.SIGKILL),
        ("pytorch", signal.SIGKILL),
        ("spark", signal.SIGTERM),
        ("three ranks", signal.SIGTERM),
        ("trainjob", signal.SIGKILL),
        ("three ranks of a TrainJob", signal.SIGTERM),
    ],
    ids=[
        *("spark-lost", "pytorch-lost", "spark-evicted", "three-ranks-evicted"),
        *("trainjob-lost", "trainjob-three-ranks-evicted"),
    ],
)
def test_a_retried_run_adopts_the_resource_of_its_lost_or_evicted_predecessor(cluster, job, how, tmp_path):
    kind, parts, ranks = JOBS[job]
    worker = Worker(cluster, kind, tmp_path / "home", **parts)
    first = worker.start()
    worker.wait_for_ranks(ranks)
    first.send_signal(how)
    first.wait(timeout=WAIT_SECONDS)
    (before,) = cluster.resources(kind)
    assert "deletionTimestamp" not in before["metadata"]
    with worker.instance() as instance:
        lost = runs_of(instance)[0].dagster_run
        retry = worker.start(retry_of=lost.run_id)
        wait_until(lambda: len(runs_of(instance)) == 2, seconds=WAIT_SECONDS)
        cluster.notes.open_gate()
        assert retry.wait(timeout=WAIT_SECONDS) == 0
        (after,) = cluster.resources(kind)
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert cluster.notes.runs() == ranks
        assert materialized(instance) == set(DAYS)
        assert len(instance.fetch_materializations(KEY, limit=10).records) == len(DAYS)
        told = [entry.user_message for entry in instance.all_logs(runs_of(instance)[1].dagster_run.run_id)]
        assert [told.count(f"working on {day}") for day in DAYS] == [1, 1]


def test_a_job_costs_its_own_time_whoever_followed_it(cluster, kind, worker):
    first = worker.start()
    worker.wait_for_ranks([0])
    running = time.time()
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=WAIT_SECONDS)
    (resource,) = cluster.resources(kind)
    created = datetime.fromisoformat(resource["metadata"]["creationTimestamp"]).timestamp()
    wait_until(lambda: time.time() > running + ALONE_SECONDS, seconds=WAIT_SECONDS)
    with worker.instance() as instance:
        cluster.notes.open_gate()
        retry = worker.start(retry_of=runs_of(instance)[0].dagster_run.run_id)
        assert retry.wait(timeout=WAIT_SECONDS) == 0
        (record, *_) = instance.fetch_materializations(KEY, limit=1).records
    cores = cluster.launcher(kind).footprint(JobDescription("wide_deep_model", {}, DAYS)).cores
    # The resource's times are whole seconds. It ended soon after the gate was opened, not when that was noticed.
    seconds = record.asset_materialization.metadata["core_seconds"].value / cores
    assert ALONE_SECONDS - 1 <= seconds <= time.time() - created + 1


@pytest.mark.leaves_resources
def test_a_worker_that_is_only_evicted_leaves_the_resource(cluster, kind, worker):
    process = worker.start()
    worker.wait_for_ranks([0])
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=WAIT_SECONDS)
    (resource,) = cluster.resources(kind)
    assert "deletionTimestamp" not in resource["metadata"]


def test_cancel_deletes_the_resource_within_ten_seconds(cluster, kind, worker):
    process = worker.start()
    worker.wait_for_ranks([0])
    with worker.instance() as instance:
        run = runs_of(instance)[0].dagster_run
        instance.report_run_canceling(run)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: cluster.resources(kind) == [])
        assert time.monotonic() - asked < 10
        process.wait(timeout=WAIT_SECONDS)
        wait_until(lambda: instance.get_run_by_id(run.run_id).status == DagsterRunStatus.CANCELED)
    assert cluster.messages() == []


def test_the_sweeper_takes_what_is_over_and_leaves_what_runs(cluster, kind, worker):
    process = worker.start()
    worker.wait_for_ranks([0])
    launcher = cluster.launcher(kind)
    with worker.instance() as instance:
        later = time.time() + 3600
        assert list(launcher.sweep(instance, now=later)) == []
        cluster.notes.open_gate()
        process.wait(timeout=WAIT_SECONDS)
        assert list(launcher.sweep(instance)) == []
        (orphan,) = launcher.sweep(instance, now=later)
        assert "is over (SUCCESS)" in orphan.reason
    assert cluster.resources(kind) == []
    assert cluster.messages() == []
