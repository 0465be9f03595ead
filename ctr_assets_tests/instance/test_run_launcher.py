"""Runs on a cluster whose API server goes away, with production's daemon, queue, monitoring and retries."""

import time

import dagster as dg
import pytest

from ctr_assets_tests.instance.cluster_daemon import PARTITION, ClusterDaemon
from ctr_assets_tests.kubernetes.fixtures import api_server, gcs, gcs_emulator, operator
from ctr_assets_tests.kubernetes.garbage import DeleteOptions
from ctr_assets_tests.kubernetes.resources import PODS
from ctr_assets_tests.launch.conftest import fake, processes
from ctr_assets_tests.launch.scripted import materialized

__all__ = ["api_server", "fake", "gcs", "gcs_emulator", "operator", "processes"]

pytestmark = [pytest.mark.minutes, pytest.mark.timeout(600)]
WAIT_SECONDS = 180
AWAY_SECONDS = 15.0
MISSED_SECONDS = 5.0
"""In which the daemon looks for failures, every second."""


@pytest.fixture
def daemon(fake, api_server, tmp_path):
    with ClusterDaemon(fake, api_server, tmp_path / "home") as daemon:
        yield daemon
        fake.notes.open_gate()


def wait_for_job(daemon, ranks=(0,)):
    daemon.await_(lambda: daemon.cluster.notes.runs() == list(ranks), WAIT_SECONDS)


def wait_for(daemon, *statuses):
    """Until the runs, oldest first, have these statuses."""
    daemon.await_(lambda: daemon.statuses() == list(statuses), WAIT_SECONDS)


def assert_ran_once(daemon):
    assert daemon.cluster.notes.runs() == [0]
    assert materialized(daemon.instance) == {PARTITION}
    assert len(daemon.materializations("scripted")) == 1


def test_an_api_server_that_is_away_fails_no_run(daemon, api_server):
    daemon.queue_scripted()
    wait_for_job(daemon)
    with api_server.away():
        time.sleep(AWAY_SECONDS)
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "SUCCESS")
    assert_ran_once(daemon)
    assert daemon.jobs_made() == 1
    assert "that is no verdict" in daemon.told(daemon.records()[0].dagster_run.run_id)


def test_a_run_that_was_failed_while_its_worker_lives_never_has_two_workers(daemon):
    daemon.queue_scripted()
    wait_for_job(daemon)
    (record,) = daemon.records()
    daemon.instance.report_run_failed(record.dagster_run, "the monitoring took it for dead")
    seen = set()

    def is_retried():
        seen.add(len(daemon.workers()))
        return daemon.statuses() == ["FAILURE", "STARTED"] and len(daemon.workers()) == 1

    daemon.await_(is_retried, WAIT_SECONDS)
    assert max(seen) == 1
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "FAILURE", "SUCCESS")
    assert_ran_once(daemon)


def test_the_old_worker_ends_itself_when_its_run_is_no_longer_its_own(daemon, api_server):
    daemon.queue_scripted()
    wait_for_job(daemon)
    (record,) = daemon.records()
    assert len(daemon.workers()) == 1
    # Nobody can tell it: the cluster takes no deletion.
    api_server.fail_next(10**6, status=503, method="DELETE", path_contains="/jobs/")
    daemon.instance.add_run_tags(record.dagster_run.run_id, {"dagster/max_retries": "0"})
    daemon.instance.report_run_failed(record.dagster_run, "taken for dead")
    daemon.await_(lambda: daemon.workers() == [], WAIT_SECONDS)
    # What it followed is left to a retry, or to the sweeper.
    (resource,) = daemon.cluster.resources("spark")
    assert "deletionTimestamp" not in resource["metadata"]
    assert materialized(daemon.instance) == set()
    api_server.clear_faults()
    (orphan,) = daemon.cluster.launcher("spark").sweep(daemon.instance, now=time.time() + 3600)
    assert orphan.name == resource["metadata"]["name"]


def test_a_worker_that_is_lost_before_it_started_its_run_is_made_good(daemon, api_server):
    daemon.queue_scripted()
    daemon.await_(lambda: daemon.workers() != [], WAIT_SECONDS)
    (pod,) = daemon.workers()
    api_server.garbage.delete(PODS, daemon.cluster.namespace, pod, DeleteOptions(grace_seconds=0))
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "FAILURE", "SUCCESS")
    assert_ran_once(daemon)
    assert "ended before it started the run" in daemon.told(daemon.records()[0].dagster_run.run_id)


def test_a_retry_that_dagster_forgot_is_asked_for_again(daemon, monkeypatch):
    daemon.queue_scripted()
    wait_for_job(daemon)
    (record,) = daemon.records()
    storage = type(daemon.instance.run_storage)
    own = storage.handle_run_event

    def after_the_daemon_has_read_the_event(*arguments):
        time.sleep(MISSED_SECONDS)
        own(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "handle_run_event", after_the_daemon_has_read_the_event)
        daemon.instance.report_run_failed(record.dagster_run, "taken for dead")
    time.sleep(MISSED_SECONDS)
    assert daemon.statuses() == ["FAILURE"]
    assert daemon.records()[0].dagster_run.tags["dagster/will_retry"] == "true"
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "FAILURE", "SUCCESS")
    assert_ran_once(daemon)
    assert "it is told of the failure again" in daemon.told(record.dagster_run.run_id)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(lambda server: server.away_for(AWAY_SECONDS), id="away"),
        pytest.param(lambda server: server.fail_next(4, 503, method="POST", path_contains="/jobs"), id="errors"),
        pytest.param(lambda server: server.lose_answers(1, method="POST", path_contains="/jobs"), id="lost answer"),
    ],
)
def test_a_run_is_launched_when_the_server_is_back(daemon, api_server, trouble):
    trouble(api_server)
    daemon.queue_scripted()
    wait_for_job(daemon)
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "SUCCESS")
    assert_ran_once(daemon)


def test_a_retry_is_launched_when_the_server_is_back_and_no_attempt_is_used_up(daemon, api_server):
    daemon.queue_scripted()
    wait_for_job(daemon)
    (record,) = daemon.records()
    with api_server.away():
        daemon.instance.report_run_failed(record.dagster_run, "taken for dead")
        daemon.await_(lambda: daemon.statuses() == ["FAILURE", "STARTING"], WAIT_SECONDS)
        time.sleep(AWAY_SECONDS)
        assert daemon.statuses() == ["FAILURE", "STARTING"]
        assert "The run is not launched yet" in daemon.told(daemon.records()[-1].dagster_run.run_id)
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "FAILURE", "SUCCESS")
    assert_ran_once(daemon)


def test_a_quota_that_is_used_up_is_waited_for(daemon, api_server, fake):
    api_server.limit(fake.namespace, "jobs")
    daemon.queue_scripted()
    daemon.await_(lambda: daemon.statuses() == ["STARTING"], WAIT_SECONDS)
    daemon.await_(lambda: "exceeded quota" in daemon.told(daemon.records()[0].dagster_run.run_id), WAIT_SECONDS)
    api_server.lift_limit(fake.namespace, "jobs")
    wait_for_job(daemon)
    daemon.cluster.notes.open_gate()
    wait_for(daemon, "SUCCESS")
    assert_ran_once(daemon)


def test_a_run_that_is_cancelled_while_the_server_is_away_takes_its_job_with_it(daemon, api_server):
    daemon.queue_scripted()
    wait_for_job(daemon)
    (record,) = daemon.records()
    with api_server.away():
        daemon.instance.report_run_canceling(record.dagster_run)
        time.sleep(AWAY_SECONDS)
    wait_for(daemon, "CANCELED")
    assert daemon.cluster.resources("spark") == []
    assert daemon.cluster.messages() == []


def test_a_run_that_is_cancelled_before_it_could_be_launched_is_cancelled(daemon, api_server):
    with api_server.away():
        daemon.queue_scripted()
        daemon.await_(lambda: daemon.statuses() == ["STARTING"], WAIT_SECONDS)
        daemon.await_(lambda: "not launched yet" in daemon.told(daemon.records()[0].dagster_run.run_id), WAIT_SECONDS)
        daemon.instance.report_run_canceling(daemon.records()[0].dagster_run)
        wait_for(daemon, "CANCELED")
    assert daemon.jobs_made() == 0
    assert daemon.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == []
