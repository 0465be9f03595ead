"""A quota that is used up is waited for, wherever it refuses something of a job; ours stop no backfill."""

import threading

import kubernetes.client
import pytest

from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION
from ctr_assets_tests.deploy.files import OVERLAYS, one
from ctr_assets_tests.kubernetes.manifests import job as run_worker
from ctr_assets_tests.kubernetes.resources import JOBS
from ctr_assets_tests.kubernetes.scenarios import RUN, Scenario
from ctr_assets_tests.launch.kubernetes.test_client import manifest_of
from ctr_assets_tests.launch.kubernetes.test_giving_up import logged
from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.scripted import DAYS, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

BACKFILL_DAYS = 1_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Tries that follow one another at once."""
    monkeypatch.setattr("ctr_assets.launch.kubernetes.room.FIRST_PAUSE_SECONDS", 0.5)


def lift(server, cluster, plural, asked):
    """Make room once the launcher has been refused ``asked`` times."""

    def wait_and_lift():
        wait_until(lambda: len(server.requests_of("POST", plural)) >= asked, seconds=60)
        server.lift_limit(cluster.namespace, plural)

    thread = threading.Thread(target=wait_and_lift)
    thread.start()
    return thread


def test_a_resource_that_is_refused_for_a_quota_is_created_when_there_is_room(fake, api_server, kind, instance):
    launcher = fake.launcher(kind)
    api_server.limit(fake.namespace, launcher.kind.plural)
    lifter = lift(api_server, fake, launcher.kind.plural, 3)
    result = materialize(launcher, instance, notes_url=fake.notes.url)
    lifter.join()
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert fake.notes.runs() == [0]
    assert sum("No room: " in text and "exceeded quota" in text for text in logged(instance, result)) >= 2


def test_a_quota_that_stays_used_up_is_an_error_after_the_stated_limit(fake, api_server, kind, instance):
    launcher = fake.launcher(kind, cluster={"quota_limit_seconds": 1})
    api_server.limit(fake.namespace, launcher.kind.plural)
    told = show(materialize(launcher, instance))
    assert "exceeded quota" in told
    assert "the namespace's quota is used up: wait, or raise it" in told


def test_a_driver_that_is_refused_for_a_quota_is_submitted_again(fake, operator, instance):
    submissions = []

    def scenario(_):
        submissions.append(1)
        return "submission_failed" if len(submissions) < 3 else RUN

    operator.scenario = scenario
    result = materialize(fake.launcher("spark"), instance, notes_url=fake.notes.url)
    assert result.success
    assert len(submissions) == 3
    assert fake.notes.runs() == [0]
    assert any("No room: " in text for text in logged(instance, result))


@pytest.mark.long
def test_training_pods_that_are_refused_for_a_quota_are_waited_for_beyond_the_pending_limit(fake, operator, instance):
    operator.scenario = Scenario(starts_process=True, no_room_seconds=20.0)
    launcher = fake.launcher("pytorch", cluster={"pending_limit_seconds": 8})
    result = materialize(launcher, instance, notes_url=fake.notes.url)
    assert result.success
    assert fake.notes.runs() == [0]
    assert any("has no room for its pods in the namespace's quota" in text for text in logged(instance, result))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_our_quota_stops_no_backfill_of_a_thousand_days(api_server, overlay):
    """All that its runs made is still there: finished Jobs and resources stay for an hour."""
    quota = one(overlay, "ResourceQuota", "ctr-assets")
    namespace = quota["metadata"]["namespace"]
    api_server.enforce(quota)
    jobs = kubernetes.client.BatchV1Api(api_server.client())
    custom = kubernetes.client.CustomObjectsApi(api_server.client())
    for number in range(BACKFILL_DAYS + 1):
        jobs.create_namespaced_job(namespace, run_worker(f"dagster-run-{number}"))
        for kind in (SPARK_APPLICATION, PYTORCH_JOB):
            place = (kind.group, kind.version, namespace, kind.plural)
            custom.create_namespaced_custom_object(*place, manifest_of(kind, f"ctr-{number}"))
    assert len(api_server.store.objects(JOBS, namespace)) == BACKFILL_DAYS + 1
