"""How a resource is waited for, and why it did not end well, in words that a person can act on."""

import itertools
import threading

import pytest
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.failure import explain_refusal
from ctr_assets.launch.kubernetes.follow import follow
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION, TRAIN_JOB
from ctr_assets_tests.kubernetes.resources import PYTORCH_JOBS, SPARK_APPLICATIONS, TRAIN_JOBS
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.kubernetes.cluster import apply_runtime
from ctr_assets_tests.launch.kubernetes.test_client import NAMESPACE, manifest_of
from ctr_assets_tests.launch.test_process_launcher import wait_until


@pytest.fixture
def server():
    with FakeApiServer() as server:
        apply_runtime(server)
        yield server


@pytest.fixture
def client(server):
    return ResourceClient(server.client(), NAMESPACE, SPARK_APPLICATION, patience_seconds=5)


def refusal(client, manifest):
    with pytest.raises(ApiException) as raised:
        client.create(manifest)
    return explain_refusal(client, manifest["metadata"]["name"], raised.value)


def test_a_webhooks_denial_names_the_webhook(server, client):
    server.deny_create("spark.kubernetes.namespace is not allowed")
    told = refusal(client, manifest_of(SPARK_APPLICATION))
    assert "SparkApplication ctr-assets/ctr-x was refused (HTTP 403)" in told
    assert "spark.kubernetes.namespace is not allowed; the operator's webhook refuses it" in told


def test_a_missing_right_points_to_the_role(server, client):
    server.forbid("create", "sparkapplications")
    told = refusal(client, manifest_of(SPARK_APPLICATION))
    assert "cannot create resource" in told
    assert "service account lacks the right: apply deploy/kustomize" in told


def test_a_manifest_that_does_not_fit_names_the_field(client):
    manifest = manifest_of(SPARK_APPLICATION)
    manifest["spec"]["driver"]["cores"] = "many"
    told = refusal(client, manifest)
    assert "spec.driver.cores" in told
    assert "does not fit the cluster's version of the operator" in told


def application(state, message=""):
    return {"applicationState": {"state": state, "errorMessage": message}}


def conditions(**said):
    return {"conditions": [{"type": type_, "status": status} for type_, status in said.items()]}


STORED = {SPARK_APPLICATION.kind: SPARK_APPLICATIONS, PYTORCH_JOB.kind: PYTORCH_JOBS, TRAIN_JOB.kind: TRAIN_JOBS}


@pytest.fixture
def follow_through(server, monkeypatch):
    """Follow a resource that has these statuses one after the other, each seen at least once: ending and warnings."""
    monkeypatch.setattr("ctr_assets.launch.kubernetes.follow.POLL_SECONDS", 0.02)

    def follow_through(kind, *statuses, limit=60.0):
        client, warned = ResourceClient(server.client(), NAMESPACE, kind, patience_seconds=5), list[str]()
        uid = client.create(manifest_of(kind))[0]["metadata"]["uid"]

        def show():
            for status in statuses:
                with server.store.changed:
                    found = server.store.find(STORED[kind.kind], NAMESPACE, "ctr-x")
                    server.store.write(STORED[kind.kind], found | {"status": status})
                asked = len(server.requests_of("GET", "ctr-x"))
                # The first of two later questions may have been answered before.
                wait_until(lambda asked=asked: ended or len(server.requests_of("GET", "ctr-x")) > asked + 2)

        ended = list[bool]()
        operator = threading.Thread(target=show)
        operator.start()
        ending = follow(client, "ctr-x", uid, limit, warned.append)
        ended.append(True)
        operator.join()
        return ending, warned

    return follow_through


@pytest.mark.parametrize(
    ("kind", "statuses", "named"),
    [
        (
            SPARK_APPLICATION,
            [application(""), *itertools.repeat(application("DREAMING"), 3), application("COMPLETED")],
            ["DREAMING"],
        ),
        (
            SPARK_APPLICATION,
            [application(state) for state in ("RUNNING", "DREAMING", "RUNNING", "DREAMING", "ASLEEP", "COMPLETED")],
            ["DREAMING", "ASLEEP"],
        ),
        (
            PYTORCH_JOB,
            [
                conditions(Created="True", Dreaming="True"),
                conditions(Created="True", Dreaming="True", Running="True"),
                conditions(Created="True", Dreaming="True", Running="False", Succeeded="True"),
            ],
            ["Dreaming"],
        ),
        (
            PYTORCH_JOB,
            [conditions(Created="True", Running="Unknown"), conditions(Created="True", Succeeded="True")],
            ["Running=Unknown"],
        ),
    ],
    ids=["spark", "spark while it runs", "pytorch", "pytorch neither true nor false"],
)
def test_what_is_not_known_is_told_once_and_waited_for(follow_through, kind, statuses, named):
    ending, warned = follow_through(kind, *statuses)
    assert ending.failure is None
    assert len(warned) == len(named)
    assert all(f"does not know: {name}. " in text for name, text in zip(named, warned, strict=True))


@pytest.mark.parametrize(
    ("kind", "statuses", "named"),
    [
        (SPARK_APPLICATION, [application("RUNNING"), application("DREAMING", "of sheep")], ["DREAMING", "of sheep"]),
        (PYTORCH_JOB, [conditions(Created="True", Running="Unknown")], ["Running=Unknown"]),
    ],
    ids=["spark", "pytorch"],
)
def test_what_stays_unknown_for_longer_than_the_pending_limit_is_a_failure_that_names_it(
    follow_through, kind, statuses, named
):
    ending, _ = follow_through(kind, *statuses, limit=0.6)
    assert "(not known to this code) after the pending limit of 1 s" in ending.failure
    assert all(part in ending.failure for part in named)


def test_a_job_that_runs_is_not_limited_by_something_more_that_is_said_of_it(follow_through):
    runs = conditions(Created="True", Running="True", Dreaming="True")
    ending, _ = follow_through(PYTORCH_JOB, *itertools.repeat(runs, 20), conditions(Succeeded="True"), limit=0.5)
    assert ending.failure is None


def test_a_train_job_that_is_complete_by_another_s_job_set_has_not_run(follow_through):
    """The new one of a name just given up may read what the old one came to, and is Complete for good."""
    complete = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T09:23:06Z"}
    ending, _ = follow_through(TRAIN_JOB, {"conditions": [complete]})
    assert "it is Complete without having run" in ending.failure
    assert ending.lost
