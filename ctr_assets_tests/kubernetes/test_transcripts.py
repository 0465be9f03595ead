"""The scripted operator takes custom resources through the recorded states, and can replay every recorded run."""

import threading
from collections.abc import Iterator
from typing import Any

import kubernetes.client
import kubernetes.watch
import pytest

from ctr_assets_tests.kubernetes.manifests import NAMESPACE, job, pytorch_job, spark_application
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.recorded_runs import (
    ON_FAILURE,
    changes_of,
    create,
    job_states,
    play,
    played_states,
    pod_frames,
    recorded_states,
    summary,
    wait_until,
    without_repeats,
)
from ctr_assets_tests.kubernetes.recordings import read_transcript
from ctr_assets_tests.kubernetes.resources import EVENTS, JOBS, PODS, PYTORCH_JOBS, SPARK_APPLICATIONS
from ctr_assets_tests.kubernetes.scenarios import Interruption, Scenario
from ctr_assets_tests.kubernetes.server import FakeApiServer


@pytest.fixture
def scripted(api_server: FakeApiServer) -> Iterator[ScriptedOperator]:
    with ScriptedOperator(api_server, run_processes=False, speed=50.0) as operator:
        yield operator


SPARK_RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "rec-ok": ("ok", {}),
    "rec-fail": ("fail:7", {}),
    "rec-retry": ("fail:7", {"restartPolicy": ON_FAILURE}),
    "rec-subfail": ("submission_failed", {}),
    "sp-oom": ("oom", {}),
    "sp-drv-del": ("deleted", {}),
    "sp-drv-force": ("force_deleted", {}),
    "sp-noimg": ("image_cannot_be_pulled", {}),
    "sp-unsched": ("unschedulable", {}),
    "sp-ttl": ("ok", {}),
    "sp-exec-kill": ("ok", {}),
}
PYTORCH_RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "rec-pt-ok": ("ok", {}),
    "rec-pt-fail": ("fail:1", {}),
    "pt-never": ("ranks_run_on", {"workers": 1}),
    "pt-worker-fail": ("worker_fails", {"workers": 1}),
    "pt-onfail": ("fail:1", {"restart_policy": "OnFailure", "backoffLimit": 1}),
    "pt-gpu": ("unschedulable", {}),
    "pt-noimg": ("image_cannot_be_pulled", {}),
    "pt-master-del": ("deleted", {}),
    "pt-clean-none": ("ok", {"workers": 1}),
}
# A dagster run worker ends with 0 on SIGTERM.
EVICTED_WORKER = Scenario(seconds=None, exit_code_on_term=0, interruption=Interruption.EVICT)
JOB_RUNS: dict[str, tuple[str | Scenario, dict[str, Any]]] = {
    "rec-job-ok": ("ok", {}),
    "rec-job-fail": ("fail:3", {}),
    "rec-job-retry": ("fail:3", {"backoffLimit": 1}),
    "job-pod-del": ("deleted", {}),
    "dagster-evict": (EVICTED_WORKER, {}),
}


@pytest.mark.parametrize("name", SPARK_RUNS)
def test_a_spark_application_goes_through_the_recorded_states(
    api_server: FakeApiServer, scripted: ScriptedOperator, name: str
) -> None:
    scripted.scenario, spec = SPARK_RUNS[name]
    expected = recorded_states(name)
    assert play(api_server, SPARK_APPLICATIONS, spark_application("calc", **spec), len(expected)) == expected


@pytest.mark.parametrize("name", PYTORCH_RUNS)
def test_a_pytorch_job_goes_through_the_recorded_conditions(
    api_server: FakeApiServer, scripted: ScriptedOperator, name: str
) -> None:
    scripted.scenario, options = PYTORCH_RUNS[name]
    expected = recorded_states(name)
    assert play(api_server, PYTORCH_JOBS, pytorch_job("train", "true", **options), len(expected)) == expected


@pytest.mark.parametrize("name", JOB_RUNS)
def test_a_job_goes_through_the_recorded_counts_and_conditions(
    api_server: FakeApiServer, scripted: ScriptedOperator, name: str
) -> None:
    scripted.scenario, spec = JOB_RUNS[name]
    frames = read_transcript(name)
    expected = job_states([one["object"]["status"] for one in frames])
    create(api_server, JOBS, job("run", **spec))

    def seen() -> list[Any]:
        return job_states([one.object["status"] for one in changes_of(api_server, JOBS, "run")])

    wait_until(api_server, lambda: len(seen()) >= len(expected))
    assert seen() == expected


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("sp-ttl", "ok"),
        ("sp-oom", "oom"),
        ("sp-drv-del", "deleted"),
        ("sp-drv-force", "force_deleted"),
        ("sp-unsched", "unschedulable"),
    ],
)
def test_a_driver_pod_lives_as_recorded(
    api_server: FakeApiServer, scripted: ScriptedOperator, name: str, scenario: str
) -> None:
    scripted.scenario = scenario
    frames = read_transcript(f"{name}-pods")
    expected = pod_frames(
        [(one["type"], one["object"]) for one in frames if one["object"]["metadata"]["name"] == f"{name}-driver"]
    )
    if name in ("sp-ttl", "sp-unsched"):  # there the pod went with its deleted application
        expected = [one for one in expected if one[0] != "DELETED" and not one[3]]
    create(api_server, SPARK_APPLICATIONS, spark_application("calc"))

    def seen() -> list[Any]:
        return pod_frames([(one.type, one.object) for one in changes_of(api_server, PODS, "calc-driver")])

    wait_until(api_server, lambda: len(seen()) >= len(expected))
    assert seen() == expected


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_deleted_application_goes_as_recorded(
    api_server: FakeApiServer, scripted: ScriptedOperator, policy: str
) -> None:
    scripted.scenario = "hang"
    name = "sp-del-bg" if policy == "Background" else "sp-del-fg"
    frames = read_transcript(name)
    expected = without_repeats([(one["type"], summary(one["object"])) for one in frames if one["t"] > 15])
    create(api_server, SPARK_APPLICATIONS, spark_application("calc"))
    wait_until(api_server, lambda: ("RUNNING", "") in played_states(api_server, SPARK_APPLICATIONS, "calc"))
    before = api_server.store.version
    at = (SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.version, NAMESPACE, SPARK_APPLICATIONS.plural)
    api = kubernetes.client.CustomObjectsApi(api_server.client())
    api.delete_namespaced_custom_object(*at, "calc", propagation_policy=policy)
    wait_until(api_server, lambda: api_server.store.find(PODS, NAMESPACE, "calc-driver") is None)
    wait_until(api_server, lambda: api_server.store.find(SPARK_APPLICATIONS, NAMESPACE, "calc") is None)
    seen = changes_of(api_server, SPARK_APPLICATIONS, "calc", before)
    deleted = [one for one in seen if one.type == "DELETED" or "deletionTimestamp" in one.object["metadata"]]
    assert [(one.type, summary(one.object)) for one in deleted] == expected
    driver = changes_of(api_server, PODS, "calc-driver", before)
    is_last = policy == "Background"
    assert (driver[-1].version > deleted[-1].version) is is_last


def test_the_same_name_too_soon_after_a_background_delete_fails_as_recorded(
    api_server: FakeApiServer, scripted: ScriptedOperator
) -> None:
    scripted.scenario = "hang"
    create(api_server, SPARK_APPLICATIONS, spark_application("calc"))
    wait_until(api_server, lambda: ("RUNNING", "") in played_states(api_server, SPARK_APPLICATIONS, "calc"))
    api_server.store.edit(PODS, NAMESPACE, "calc-driver", lambda pod: pod["metadata"].update(ownerReferences=[]))
    api = kubernetes.client.CustomObjectsApi(api_server.client())
    at = (SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.version, NAMESPACE, SPARK_APPLICATIONS.plural)
    api.delete_namespaced_custom_object(*at, "calc")
    before = api_server.store.version
    create(api_server, SPARK_APPLICATIONS, spark_application("calc"))
    frames = read_transcript("sp-recreate-slow")
    second = frames[-1]["object"]["metadata"]["uid"]
    own = [summary(one["object"]) for one in frames if one["object"]["metadata"]["uid"] == second]
    expected = [item for item in without_repeats(own) if item != []]
    wait_until(api_server, lambda: len(played_states(api_server, SPARK_APPLICATIONS, "calc", before)) >= len(expected))
    assert played_states(api_server, SPARK_APPLICATIONS, "calc", before) == expected


def test_every_rank_gets_the_recorded_environment(api_server: FakeApiServer, scripted: ScriptedOperator) -> None:
    scripted.scenario = "hang"
    create(api_server, PYTORCH_JOBS, pytorch_job("pt-spec", "true", workers=2))
    wait_until(api_server, lambda: len(api_server.store.objects(PODS)) == 3)
    frames = read_transcript("pt-spec-pods")
    for frame in [one for one in frames if one["type"] == "ADDED"]:
        recorded = frame["object"]
        pod = api_server.store.get(PODS, NAMESPACE, recorded["metadata"]["name"])
        assert pod["metadata"]["labels"] == recorded["metadata"]["labels"]
        if "spec" in recorded and "containers" in recorded["spec"]:
            env = [(one["name"], one["value"]) for one in recorded["spec"]["containers"][0]["env"]]
            assert [(one["name"], one["value"]) for one in pod["spec"]["containers"][0]["env"]] == env


def test_the_events_of_a_failed_run_are_those_recorded(api_server: FakeApiServer, scripted: ScriptedOperator) -> None:
    scripted.scenario = "deleted"
    expected = [
        (one["object"]["involvedObject"]["kind"], one["object"]["reason"], one["object"]["type"])
        for one in read_transcript("sp-drv-del-events")
    ]
    play(api_server, SPARK_APPLICATIONS, spark_application("calc"), 4)
    events = api_server.store.objects(EVENTS)
    assert {(one["involvedObject"]["kind"], one["reason"], one["type"]) for one in events} == set(expected)


def test_a_client_watches_an_application_to_its_end(api_server: FakeApiServer, scripted: ScriptedOperator) -> None:
    """The recorded order, by the official client's own watch."""
    scripted.scenario = "ok"
    api = kubernetes.client.CustomObjectsApi(api_server.client())
    at = (SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.version, NAMESPACE, SPARK_APPLICATIONS.plural)
    version = api.list_namespaced_custom_object(*at)["metadata"]["resourceVersion"]
    threading.Thread(target=create, args=(api_server, SPARK_APPLICATIONS, spark_application("calc"))).start()
    states: list[str | None] = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(api.list_namespaced_custom_object, *at, resource_version=version, timeout_seconds=10):
        states.append(event["object"].get("status", {}).get("applicationState", {}).get("state"))
        if states[-1] == "COMPLETED":
            watch.stop()
    assert without_repeats(states) == [None, "SUBMITTED", "RUNNING", "SUCCEEDING", "COMPLETED"]


def test_an_unknown_scenario_is_told_at_once(api_server: FakeApiServer) -> None:
    operator = ScriptedOperator(api_server, scenario="nonsense")
    operator.__enter__()
    create(api_server, SPARK_APPLICATIONS, spark_application("calc"))
    wait_until(api_server, operator.has_failed)
    with pytest.raises(RuntimeError) as told:
        operator.__exit__()
    assert "no scenario 'nonsense'" in str(told.value.__cause__)


SUSPENDED_RUNS = {
    "sp-suspend": (SPARK_APPLICATIONS, spark_application("calc"), False),
    "sp-suspend-create": (SPARK_APPLICATIONS, spark_application("calc", suspend=True), True),
    "pt-suspend": (PYTORCH_JOBS, pytorch_job("calc", "true", workers=1), False),
    "pt-suspend-create": (PYTORCH_JOBS, pytorch_job("calc", "true", suspend=True), True),
}


@pytest.mark.parametrize("name", SUSPENDED_RUNS)
def test_what_is_suspended_and_resumed_goes_through_the_recorded_states(
    api_server: FakeApiServer, scripted: ScriptedOperator, name: str
) -> None:
    resource, manifest, is_created_suspended = SUSPENDED_RUNS[name]
    # Until it is resumed it runs on; then it ends by itself.
    scripted.scenario = "ok:0.5"
    expected = recorded_states(name)

    def states() -> list[Any]:
        return played_states(api_server, resource, "calc")

    def suspend(is_suspended: bool) -> None:
        def change(obj: dict[str, Any]) -> None:
            obj["spec"].get("runPolicy", obj["spec"])["suspend"] = is_suspended

        api_server.store.edit(resource, NAMESPACE, "calc", change)

    create(api_server, resource, manifest)
    if not is_created_suspended:
        wait_until(api_server, lambda: len(states()) >= 2)
        suspend(True)
    wait_until(api_server, lambda: "SUSPENDED" in str(states()) or "('Suspended', 'True'" in str(states()))
    suspend(False)
    wait_until(api_server, lambda: len(states()) >= len(expected))
    assert states() == expected
