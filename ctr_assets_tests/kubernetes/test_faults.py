"""The ways in which the fake API server fails when it is told to."""

import json
import socket
import threading
import time
from pathlib import Path

import kubernetes.client
import kubernetes.config
import kubernetes.watch
import pytest
import urllib3
from kubernetes.client import ApiException

from ctr_assets_tests.kubernetes.client_calls import (
    SPARK,
    put_running_pod,
    refusal,
    watched,
)
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, job, spark_application
from ctr_assets_tests.kubernetes.server import FakeApiServer


@pytest.mark.parametrize(("status", "reason"), [(503, "ServiceUnavailable"), (429, "TooManyRequests")])
def test_injected_failures_come_a_number_of_times_with_their_headers(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi, status: int, reason: str
) -> None:
    api_server.fail_next(2, status, headers={"X-Told": "yes"}, method="GET")
    for _ in range(2):
        with pytest.raises(ApiException) as told:
            custom.list_namespaced_custom_object(*SPARK)
        assert (told.value.status, told.value.headers["X-Told"]) == (status, "yes")
        assert json.loads(told.value.body)["reason"] == reason
    assert custom.list_namespaced_custom_object(*SPARK)["items"] == []


def test_a_create_whose_answer_is_lost_has_happened(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    api_server.lose_answers(method="POST")
    with pytest.raises(urllib3.exceptions.HTTPError):
        custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    assert custom.get_namespaced_custom_object(*SPARK, "calc")["metadata"]["name"] == "calc"
    assert len(api_server.requests_of("POST", "sparkapplications")) == 1


def test_a_server_that_is_away_refuses_connections_and_comes_back_on_its_port(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    version = custom.list_namespaced_custom_object(*SPARK)["metadata"]["resourceVersion"]
    port = int(api_server.url.rpartition(":")[2])
    with api_server.away(), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert custom.get_namespaced_custom_object(*SPARK, "calc")["metadata"]["name"] == "calc"
    with pytest.raises(ApiException) as told:  # a restarted server has no history
        watched(custom, 1, resource_version=version)
    assert told.value.status == 410


def test_a_server_that_is_away_for_a_while_comes_back_by_itself(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    api_server.away_for(0.2, loses_history=False)
    with pytest.raises(urllib3.exceptions.MaxRetryError):
        custom.list_namespaced_custom_object(*SPARK)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert custom.list_namespaced_custom_object(*SPARK)["items"] == []
            return
        except urllib3.exceptions.MaxRetryError:
            time.sleep(0.02)
    raise TimeoutError("the server did not come back")


def test_a_killed_server_breaks_an_open_watch(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    threading.Timer(0.1, api_server.refuse_connections).start()
    with pytest.raises((urllib3.exceptions.ProtocolError, urllib3.exceptions.MaxRetryError)):
        watched(custom, 1, resource_version="99999999")
    api_server.accept_connections()


def test_a_webhook_s_denial_is_403_and_nothing_is_created(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    api_server.deny_create("image is not signed")
    told = refusal(lambda: custom.create_namespaced_custom_object(*SPARK, spark_application("calc")))
    assert told[:2] == (403, "Forbidden")
    assert told[2].endswith("denied the request: image is not signed")
    api_server.clear_faults()
    assert custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))["kind"] == "SparkApplication"


def test_rbac_forbids_a_verb_on_a_resource(api_server: FakeApiServer, core: kubernetes.client.CoreV1Api) -> None:
    api_server.forbid("get", "pods/log")
    put_running_pod(api_server, "calc-driver")
    told = refusal(lambda: core.read_namespaced_pod_log("calc-driver", NAMESPACE))
    assert told[:2] == (403, "Forbidden")
    assert 'cannot get resource "pods/log"' in told[2]
    assert core.read_namespaced_pod("calc-driver", NAMESPACE).metadata.name == "calc-driver"


def test_a_namespace_that_does_not_exist_takes_no_objects() -> None:
    with FakeApiServer(namespaces=("ml",)) as server:
        api = kubernetes.client.BatchV1Api(server.client())
        assert refusal(lambda: api.create_namespaced_job("nowhere", job("run")))[2] == 'namespaces "nowhere" not found'
        assert api.list_namespaced_job("nowhere").items == []


def test_the_kubeconfig_leads_to_the_server(api_server: FakeApiServer, tmp_path: Path) -> None:
    path = api_server.kubeconfig(tmp_path / "config")
    with kubernetes.config.new_client_from_config(str(path)) as client:
        assert kubernetes.client.VersionApi(client).get_code().git_version.startswith("v1.")
    assert [one.path for one in api_server.requests] == ["/version/"]


def test_a_wrong_token_is_unauthorized(api_server: FakeApiServer) -> None:
    client = api_server.client()
    client.set_default_header("Authorization", "Bearer wrong")
    assert refusal(lambda: kubernetes.client.CoreV1Api(client).list_namespaced_pod(NAMESPACE))[:2] == (
        401,
        "Unauthorized",
    )


def test_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())
    with FakeApiServer() as server:
        kubernetes.client.CoreV1Api(server.client()).list_namespaced_pod(NAMESPACE)
        port = int(server.url.rpartition(":")[2])
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
