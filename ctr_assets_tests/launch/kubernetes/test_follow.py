"""Why a resource did not end well, in words that a person can act on; each text is printed when run with -s."""

import pytest
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.follow import explain_refusal
from ctr_assets.launch.kubernetes.kinds import SPARK_APPLICATION
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.kubernetes.test_client import NAMESPACE, manifest_of


@pytest.fixture
def server():
    with FakeApiServer() as server:
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
