"""What a TrainJob does otherwise than the other kinds: it comes back, it lies, it stays silent, its labels stop."""

import threading
import time

import kubernetes.client
import pytest

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.kinds import TRAIN_JOB
from ctr_assets.launch.kubernetes.names import CODE_LOCATION
from ctr_assets.launch.kubernetes.train_job import RUNTIME
from ctr_assets_tests.kubernetes.job_set_controller import COMPONENT as JOB_SET_CONTROLLER
from ctr_assets_tests.kubernetes.resources import CONFIG_MAPS, JOB_SETS, PODS, TRAIN_JOBS, TRAINING_RUNTIMES
from ctr_assets_tests.kubernetes.trainer_webhooks import COMPONENT as TRAINER
from ctr_assets_tests.launch.kubernetes.cluster import NAMESPACE
from ctr_assets_tests.launch.kubernetes.test_client import manifest_of
from ctr_assets_tests.launch.kubernetes.test_faults import once_it_runs
from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.scripted import DAYS, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

AWAY_SECONDS = 60 / 20
"""A minute, at the speed of the test cluster."""


@pytest.fixture
def kind():
    return "trainjob"


@pytest.fixture
def hanging(fake, api_server, operator, launcher):
    """A TrainJob whose pods run, and its client."""
    operator.scenario = "hang"
    client, manifest = launcher.client(), manifest_of(TRAIN_JOB)
    manifest["metadata"]["labels"][CODE_LOCATION] = fake.code_location
    labelled = manifest["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["metadata"]["labels"]
    labelled[CODE_LOCATION] = fake.code_location
    found, _ = client.create(manifest)
    wait_until(lambda: [pod["status"]["phase"] for pod in api_server.store.objects(PODS)] == ["Running"])
    return client, found["metadata"]["name"], found["metadata"]["uid"]


def pods_ever(server):
    """Names of all pods that ever were."""
    changes = server.store.changes_after(0)
    return {one.object["metadata"]["name"] for one in changes if one.resource == PODS}


def test_a_delete_leaves_nothing_and_nothing_comes_back(api_server, hanging):
    client, name, uid = hanging
    client.delete(name, uid)
    for resource in (TRAIN_JOBS, JOB_SETS, CONFIG_MAPS, PODS):
        assert api_server.store.objects(resource) == []
    time.sleep(1.0)
    assert len(pods_ever(api_server)) == 1


@pytest.mark.long
def test_somebody_s_foreground_delete_makes_it_run_again_until_the_run_gives_it_up(
    fake, api_server, launcher, instance
):
    def delete_it():
        (found,) = fake.resources("trainjob")
        api = kubernetes.client.CustomObjectsApi(api_server.client())
        at = (TRAIN_JOB.group, TRAIN_JOB.version, NAMESPACE, TRAIN_JOB.plural)
        api.delete_namespaced_custom_object(*at, found["metadata"]["name"], propagation_policy="Foreground")

    with once_it_runs(fake, delete_it):
        result = materialize(launcher, instance, notes_url=fake.notes.url, waits_at_gate=True)
    assert "was deleted by someone else" in show(result)
    assert api_server.store.objects(TRAIN_JOBS) == []
    assert api_server.store.objects(PODS) == []


def orphan(server, name):
    """Delete a TrainJob and let its JobSet run on, as ``kubectl delete --cascade=orphan`` does."""
    api = kubernetes.client.CustomObjectsApi(server.client())
    at = (TRAIN_JOB.group, TRAIN_JOB.version, NAMESPACE, TRAIN_JOB.plural)
    api.delete_namespaced_custom_object(*at, name, propagation_policy="Orphan")
    wait_until(lambda: not server.store.objects(TRAIN_JOBS))


def test_the_sweeper_finds_a_job_set_that_was_orphaned_and_its_pods_go_with_it(api_server, launcher, instance, hanging):
    _, name, _ = hanging
    orphan(api_server, name)
    assert [pod["status"]["phase"] for pod in api_server.store.objects(PODS)] == ["Running"]
    (swept,) = launcher.sweep(instance)
    assert swept.name == name
    wait_until(lambda: not api_server.store.objects(JOB_SETS) and not api_server.store.objects(PODS))


@pytest.mark.leaves_resources
def test_the_job_set_of_a_living_train_job_is_no_orphan(hanging, fake):
    client, name, _ = hanging
    assert client.orphans(name) == []
    assert client.orphans(selector=f"{CODE_LOCATION}={fake.code_location}") == []


def test_the_labels_reach_job_set_and_pods(api_server, fake, launcher, instance):
    assert materialize(launcher, instance).success
    (train_job,) = fake.resources("trainjob")
    own = {key: value for key, value in train_job["metadata"]["labels"].items() if key.startswith("ctr-assets/")}
    assert own
    for resource in (JOB_SETS, PODS):
        (found,) = api_server.store.objects(resource)
        assert found["metadata"]["labels"].items() >= own.items()


STAGES = {
    "before the launch": lambda fake: True,
    "once it runs": lambda fake: fake.notes.runs() == [0],
    "once it has ended": lambda fake: len(fake.messages()) > 0,
}


@pytest.mark.long
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("controller", [TRAINER, JOB_SET_CONTROLLER])
def test_a_controller_that_is_away_fails_nothing_and_nothing_runs_twice(
    fake, operator, launcher, instance, controller, stage
):
    def leave():
        wait_until(lambda: STAGES[stage](fake), seconds=60)
        operator.away.add(controller)
        time.sleep(AWAY_SECONDS)
        operator.away.discard(controller)

    if stage == "before the launch":
        operator.away.add(controller)
    absence = threading.Thread(target=leave)
    absence.start()
    result = materialize(launcher, instance, notes_url=fake.notes.url, seconds=1)
    absence.join()
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert fake.notes.runs() == [0]


@pytest.mark.long
@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("pods_refused", 'serviceaccount "missing" not found'),
        ("image_cannot_be_pulled", "ErrImagePull"),
        ("unschedulable", "FailedScheduling"),
    ],
)
def test_what_is_stuck_is_told_from_where_it_is_said(fake, operator, instance, scenario, told):
    operator.scenario = scenario
    result = materialize(fake.launcher("trainjob", cluster={"pending_limit_seconds": 2}), instance)
    assert told in show(result)
    assert fake.resources("trainjob") == []


def test_a_job_set_that_is_refused_is_told(fake, api_server, instance, monkeypatch):
    """Here for its name: the API server takes one of 49, JobSet does not."""
    monkeypatch.setattr("ctr_assets.launch.kubernetes.attempts.resource_name", lambda *_: f"{'x' * 46}-a0")
    result = materialize(fake.launcher("trainjob", cluster={"pending_limit_seconds": 2}), instance)
    assert "JobSet name is too long" in show(result)


def test_a_runtime_that_is_missing_or_another_one_is_told_before_anything_is_created(api_server, launcher, instance):
    api_server.store.edit(
        TRAINING_RUNTIMES,
        NAMESPACE,
        RUNTIME,
        lambda obj: obj["spec"]["template"]["spec"].update(ttlSecondsAfterFinished=60),
    )
    told = show(materialize(launcher, instance))
    assert "does not fit: ttlSecondsAfterFinished is 60, expected None; apply deploy/kustomize/trainer-runtime" in told
    api_server.store.remove((TRAINING_RUNTIMES, NAMESPACE, RUNTIME))
    assert f"{RUNTIME} is missing: apply deploy/kustomize/trainer-runtime" in show(materialize(launcher, instance))
    assert api_server.requests_of("POST", TRAIN_JOB.plural) == []


@pytest.mark.leaves_resources
def test_the_main_pod_is_the_newest_of_rank_0(api_server, hanging):
    client: ResourceClient = hanging[0]
    name = hanging[1]
    (first,) = client.pods(name)
    for is_suspended in (True, False):
        api_server.store.edit(TRAIN_JOBS, NAMESPACE, name, lambda obj, it=is_suspended: obj["spec"].update(suspend=it))
        wait_until(lambda it=is_suspended: (client.main_pod(name) is None) is it)
    newest = client.main_pod(name)
    assert newest is not None
    assert newest.metadata.uid != first.metadata.uid
