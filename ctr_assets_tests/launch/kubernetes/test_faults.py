"""A run in a cluster with troubles of its own: a name still held, an API server overloaded or away."""

import itertools
import signal
import sys
import threading
import time
from contextlib import contextmanager

import dagster as dg
import kubernetes.client
import pytest

from ctr_assets.launch import run_state
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.launch.kubernetes.cluster import NAMESPACE
from ctr_assets_tests.launch.kubernetes.leftovers import OBSERVE
from ctr_assets_tests.launch.kubernetes.test_client import hold, release
from ctr_assets_tests.launch.kubernetes.test_kueue import RESOURCES
from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.kubernetes.worker import Worker, runs_of
from ctr_assets_tests.launch.scripted import DAYS, KEY, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

pytestmark = pytest.mark.long

OUTAGE_SECONDS = 3.0


@contextmanager
def once_it_runs(cluster, act):
    """Let something happen as soon as the job of the block runs."""

    def wait_and_act():
        wait_until(lambda: cluster.notes.runs() != [], seconds=60)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


def told(instance, result):
    """What the run was warned of, printed as well."""
    found = [
        entry.user_message for entry in instance.all_logs(result.run_id) if "does not answer" in entry.user_message
    ]
    sys.stdout.write("\n" + "\n".join(found) + "\n")
    return "\n".join(found)


@pytest.mark.parametrize(
    ("kind", "seconds"), [pytest.param("spark", 60.0, id="60 s", marks=pytest.mark.minutes), ("pytorch", 8.0)]
)
def test_an_api_server_that_is_away_while_the_job_ends_changes_nothing(fake, api_server, instance, kind, seconds):
    with once_it_runs(fake, lambda: api_server.away_for(seconds)):
        result = materialize(fake.launcher(kind), instance, notes_url=fake.notes.url, seconds=2)
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert fake.notes.runs() == [0]
    assert "the API server does not answer (NewConnectionError)" in told(instance, result)


def test_a_run_that_is_cancelled_while_the_server_is_away_deletes_its_job(
    fake, api_server, kind, launcher, instance, monkeypatch
):
    monkeypatch.setattr(run_state, "LOOK_SECONDS", 0.0)

    def cancel():
        (run,) = instance.get_runs()
        with api_server.away():
            instance.report_run_canceling(run)
            time.sleep(OUTAGE_SECONDS)

    with once_it_runs(fake, cancel):
        result = materialize(launcher, instance, notes_url=fake.notes.url, seconds=60)
    assert instance.get_run_by_id(result.run_id).status is dg.DagsterRunStatus.CANCELED
    assert fake.resources(kind) == []


@pytest.fixture
def away_at(api_server, kind, monkeypatch):
    """Have the server go away for a while, in the middle of the first of some requests.

    Of those that are asked after the job's end with ``is_over``, else of all, after ``before`` others of them.
    """

    def has_ended():
        return any(OBSERVE[kind](resource).phase.is_terminal for resource in api_server.store.objects(RESOURCES[kind]))

    def away_at(method, path, before=0, is_over=False):
        is_away, asked, raise_failure = threading.Event(), itertools.count(), api_server.faults.raise_failure

        def go_away(request):
            is_meant = request.method == method and path in request.path and (has_ended() or not is_over)
            if is_meant and next(asked) == before:
                is_away.set()
                threading.Thread(target=api_server.away_for, args=(OUTAGE_SECONDS,)).start()
                raise ApiError(503, "shutting down", "ServiceUnavailable")
            raise_failure(request)

        monkeypatch.setattr(api_server.faults, "raise_failure", go_away)
        return is_away

    return away_at


# Of each stage the request in which the server goes away, how many of them were answered before, and what the job does.
STAGES = {
    "looking for a free name": ("GET", "{plural}/", 0, {}),
    "creating the resource": ("POST", "{plural}", 0, {}),
    "following": ("GET", "{plural}/", 2, {}),
    "passing its log on": ("GET", "/log", 0, {}),
    "collecting the pods": ("GET", "pods", 0, {"killed": True}),
    "collecting the events": ("GET", "events", 0, {"killed": True}),
    "deleting": ("DELETE", "{plural}/", 0, {"killed": True}),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_server_that_goes_away_at_any_stage_of_a_job_changes_nothing(
    fake, api_server, kind, launcher, instance, away_at, stage
):
    method, path, before, behaviour = STAGES[stage]
    is_away = away_at(method, path.format(plural=launcher.kind.plural), before, is_over=bool(behaviour))
    result = materialize(launcher, instance, notes_url=fake.notes.url, **behaviour)
    assert is_away.is_set()
    assert fake.notes.runs() == [0]
    assert result.success is not bool(behaviour)
    assert materialized(instance) == (set() if behaviour else set(DAYS))
    if behaviour:
        text = show(result)
        assert "ended with exit code 137" in text
        assert "output of 2014-10-22" in text
        assert fake.resources(kind) == []


def test_too_many_requests_and_errors_delay_a_run_and_change_nothing(fake, api_server, kind, launcher, instance):
    plural = launcher.kind.plural
    api_server.fail_next(1, status=429, headers={"Retry-After": "2"}, method="POST", path_contains=plural)
    api_server.fail_next(1, status=500, method="POST", path_contains=plural)

    def trouble_the_polls():
        api_server.fail_next(3, status=429, headers={"Retry-After": "1"}, method="GET", path_contains=plural)
        api_server.fail_next(3, status=500, method="GET", path_contains=plural)

    with once_it_runs(fake, trouble_the_polls):
        result = materialize(launcher, instance, notes_url=fake.notes.url, seconds=2)
    assert result.success
    assert fake.notes.runs() == [0]
    first, second, third = (request.at for request in api_server.requests_of("POST", plural))
    assert second - first >= 2
    assert third > second
    text = told(instance, result)
    assert text.count("HTTP 429") >= 2
    assert text.count("HTTP 500") >= 2


def test_a_failure_is_explained_and_cleared_away_through_a_server_in_trouble(
    fake, api_server, kind, launcher, instance
):
    def trouble():
        api_server.fail_next(6, status=500, path_contains="/log")
        api_server.fail_next(2, status=503, path_contains="/events")
        api_server.fail_next(2, status=500, method="DELETE")

    with once_it_runs(fake, trouble):
        result = materialize(launcher, instance, notes_url=fake.notes.url, killed=True)
    text = show(result)
    assert "Last lines of its log" in text
    assert "output of 2014-10-22" in text
    assert fake.resources(kind) == []


def test_there_is_no_watch_that_could_expire(fake, api_server, kind, launcher, instance):
    def compact():
        for _ in range(20):
            api_server.expire_watches()
            time.sleep(0.1)

    with once_it_runs(fake, compact):
        result = materialize(launcher, instance, notes_url=fake.notes.url, seconds=2)
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert [request.path for request in api_server.requests if request.query.get("watch")] == []


def test_a_webhook_s_denial_is_told(launcher, api_server, instance):
    api_server.deny_create("image must come from our registry")
    assert "image must come from our registry" in show(materialize(launcher, instance))


def test_a_retried_run_waits_for_a_resource_that_is_being_deleted_and_takes_a_fresh_name(
    fake, api_server, kind, launcher, tmp_path
):
    worker, client = Worker(fake, kind, tmp_path / "home"), launcher.client()
    first = worker.start()
    worker.wait_for_ranks([0])
    first.send_signal(signal.SIGKILL)
    first.wait()
    (old,) = fake.resources(kind)
    name = old["metadata"]["name"]
    hold(client, launcher.kind, name)
    options = kubernetes.client.V1DeleteOptions(propagation_policy=launcher.kind.propagation)
    client._custom().delete_namespaced_custom_object(*client._place(), name, body=options)
    fake.notes.open_gate()
    with worker.instance() as instance:
        asked = len(api_server.requests_of("GET", name))
        retry = worker.start(retry_of=runs_of(instance)[0].dagster_run.run_id)
        wait_until(lambda: len(api_server.requests_of("GET", name)) > asked + 3, seconds=60)
        assert len(api_server.requests_of("POST", f"namespaces/{NAMESPACE}/{launcher.kind.plural}")) == 1
        release(client, name)
        assert retry.wait(timeout=120) == 0
        (new,) = fake.resources(kind)
        assert (name[-3:], new["metadata"]["name"]) == ("-a0", name[:-1] + "1")
        assert fake.notes.runs() == [0, 0]
        assert materialized(instance) == set(DAYS)
        assert len(instance.fetch_materializations(KEY, limit=10).records) == len(DAYS)
