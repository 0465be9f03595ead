"""The resource client against an API server over real HTTP: adoption, patience, deletion."""

import threading
import time

import pytest
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import DeletionTimeoutError, ResourceClient
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION, TRAIN_JOB
from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings, SparkSettings
from ctr_assets.launch.kubernetes.spark_application import spark_application
from ctr_assets.launch.kubernetes.train_job import train_job
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.kubernetes.cluster import apply_runtime
from ctr_assets_tests.launch.kubernetes.manifests import LABELS, PIPES, SPARK_JOB, TRAINING_JOB

NAMESPACE = "ctr-assets"


@pytest.fixture
def server():
    with FakeApiServer() as server:
        apply_runtime(server)
        yield server


@pytest.fixture(params=["spark", "pytorch", "trainjob"])
def kind(request):
    return {"spark": SPARK_APPLICATION, "pytorch": PYTORCH_JOB, "trainjob": TRAIN_JOB}[request.param]


@pytest.fixture
def client(server, kind):
    return ResourceClient(server.client(), NAMESPACE, kind, patience_seconds=20)


def manifest_of(kind, name="ctr-x"):
    if kind is SPARK_APPLICATION:
        return spark_application(SPARK_JOB, name, LABELS, PIPES, ClusterSettings(), SparkSettings())
    build = train_job if kind is TRAIN_JOB else pytorch_job
    return build(TRAINING_JOB, name, LABELS, PIPES, ClusterSettings(), PyTorchSettings())


def test_create_then_find_what_is_there(client, kind):
    first, created = client.create(manifest_of(kind))
    assert created
    again, created = client.create(manifest_of(kind))
    assert not created
    assert again["metadata"]["uid"] == first["metadata"]["uid"] == client.get("ctr-x")["metadata"]["uid"]


def test_what_is_not_there_is_none(client):
    assert client.get("ctr-x") is None
    assert client.main_pod("ctr-x") is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(server, kind, status):
    told: list[str] = []
    client = ResourceClient(server.client(), NAMESPACE, kind, patience_seconds=20, on_retry=told.append)
    server.fail_next(2, status=status)
    _, created = client.create(manifest_of(kind))
    assert created
    assert len(told) == 2
    assert f"HTTP {status}" in told[0]


def test_a_server_that_is_away_is_waited_for(server, client, kind):
    server.away_for(1.0)
    _, created = client.create(manifest_of(kind))
    assert created


def test_patience_ends(server, kind):
    client = ResourceClient(server.client(), NAMESPACE, kind, patience_seconds=1)
    server.fail_next(1000)
    with pytest.raises(ApiException) as raised:
        client.get("ctr-x")
    assert raised.value.status == 503


def test_a_create_whose_answer_was_lost_adopts_what_it_created(server, client, kind):
    server.lose_answers(1, method="POST")
    resource, created = client.create(manifest_of(kind))
    assert not created
    assert resource["metadata"]["labels"] == manifest_of(kind)["metadata"]["labels"]
    assert len(server.requests_of("POST")) == 2


def test_a_refusal_is_final_at_once(server, client, kind):
    server.deny_create("no such thing allowed")
    with pytest.raises(ApiException) as raised:
        client.create(manifest_of(kind))
    assert raised.value.status == 403
    assert len(server.requests_of("POST")) == 1


def test_delete_waits_until_it_is_gone_and_is_no_error_twice(client, kind):
    uid = client.create(manifest_of(kind))[0]["metadata"]["uid"]
    client.delete("ctr-x", uid)
    assert client.get("ctr-x") is None
    client.delete("ctr-x", uid)


def test_a_namesake_with_another_uid_is_left_alone(client, kind):
    client.create(manifest_of(kind))
    client.delete("ctr-x", "00000000-0000-0000-0000-000000000000")
    assert client.get("ctr-x") is not None


def hold(client, kind, name):
    """Keep a resource terminating, as a pod that does not end would."""
    client._custom().patch_namespaced_custom_object(
        *client._place(), name, body={"metadata": {"finalizers": ["test/hold"]}}
    )


def release(client, name):
    client._custom().patch_namespaced_custom_object(*client._place(), name, body={"metadata": {"finalizers": []}})


def test_a_deletion_that_does_not_end_is_an_error_that_says_where_to_look(client, kind):
    uid = client.create(manifest_of(kind))[0]["metadata"]["uid"]
    hold(client, kind, "ctr-x")
    with pytest.raises(DeletionTimeoutError, match="its pods do not end; look at them"):
        client.delete("ctr-x", uid, timeout_seconds=0.5)


def test_a_namesake_that_is_terminating_is_waited_for(client, kind):
    old = client.create(manifest_of(kind))[0]["metadata"]["uid"]
    hold(client, kind, "ctr-x")
    with pytest.raises(DeletionTimeoutError):
        client.delete("ctr-x", old, timeout_seconds=0.2)
    releaser = threading.Timer(1.0, release, (client, "ctr-x"))
    releaser.start()
    started = time.monotonic()
    resource, created = client.create(manifest_of(kind))
    releaser.join()
    assert created
    assert resource["metadata"]["uid"] != old
    assert time.monotonic() - started >= 0.9


def test_resources_are_found_by_label(client, kind):
    for name in ("ctr-a", "ctr-b"):
        client.create(manifest_of(kind, name))
    other = manifest_of(kind, "other")
    other["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "someone"}
    client.create(other)
    found = client.find("app.kubernetes.io/managed-by=ctr-assets")
    assert {resource["metadata"]["name"] for resource in found} == {"ctr-a", "ctr-b"}
