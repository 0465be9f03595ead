"""Deletion in the fake API server: propagation policies, owners, finalizers, grace."""

import kubernetes.client
import kubernetes.config
import kubernetes.watch

from ctr_assets_tests.kubernetes.client_calls import (
    SPARK,
    owner,
    put_running_pod,
    refusal,
    wait_until_gone,
)
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, job, spark_application
from ctr_assets_tests.kubernetes.server import FakeApiServer


def test_a_background_delete_takes_the_object_at_once_and_its_pods_after_their_grace(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi, core: kubernetes.client.CoreV1Api
) -> None:
    app = custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    put_running_pod(api_server, "calc-driver", [owner(app)])
    answer = custom.delete_namespaced_custom_object(*SPARK, "calc", propagation_policy="Background")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert refusal(lambda: custom.get_namespaced_custom_object(*SPARK, "calc"))[:2] == (404, "NotFound")
    assert core.read_namespaced_pod("calc-driver", NAMESPACE).metadata.deletion_timestamp is not None
    wait_until_gone(api_server, "calc-driver")  # 3 s of grace, scaled


def test_a_foreground_delete_waits_for_the_pods(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    app = custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    put_running_pod(api_server, "calc-driver", [owner(app)])
    answer = custom.delete_namespaced_custom_object(*SPARK, "calc", propagation_policy="Foreground")
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    again = refusal(lambda: custom.create_namespaced_custom_object(*SPARK, spark_application("calc")))
    assert again[:2] == (409, "AlreadyExists")
    assert again[2].startswith("object is being deleted")
    wait_until_gone(api_server, "calc-driver")
    assert refusal(lambda: custom.get_namespaced_custom_object(*SPARK, "calc"))[0] == 404


def test_a_job_deleted_without_a_policy_orphans_its_pods(
    api_server: FakeApiServer, batch: kubernetes.client.BatchV1Api, core: kubernetes.client.CoreV1Api
) -> None:
    run = batch.create_namespaced_job(NAMESPACE, job("run"))
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "run", "uid": run.metadata.uid}
    put_running_pod(api_server, "run-abcde", [reference])
    batch.delete_namespaced_job("run", NAMESPACE)
    assert refusal(lambda: batch.read_namespaced_job("run", NAMESPACE))[0] == 404
    left = core.read_namespaced_pod("run-abcde", NAMESPACE)
    assert (left.metadata.owner_references, left.metadata.deletion_timestamp) == (None, None)


def test_a_finalizer_holds_an_object_until_it_is_taken_away(batch: kubernetes.client.BatchV1Api) -> None:
    manifest = job("run")
    manifest["metadata"]["finalizers"] = ["example.org/hold"]
    batch.create_namespaced_job(NAMESPACE, manifest)
    batch.delete_namespaced_job("run", NAMESPACE, propagation_policy="Background")
    assert batch.read_namespaced_job("run", NAMESPACE).metadata.deletion_timestamp is not None
    batch.patch_namespaced_job("run", NAMESPACE, {"metadata": {"finalizers": None}})
    assert refusal(lambda: batch.read_namespaced_job("run", NAMESPACE))[0] == 404


def test_a_delete_with_another_uid_is_a_conflict(custom: kubernetes.client.CustomObjectsApi) -> None:
    custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    options = kubernetes.client.V1DeleteOptions(preconditions=kubernetes.client.V1Preconditions(uid="another"))
    status, reason, _ = refusal(lambda: custom.delete_namespaced_custom_object(*SPARK, "calc", body=options))
    assert (status, reason) == (409, "Conflict")


def test_a_force_deleted_pod_is_gone_at_once_with_its_log(
    api_server: FakeApiServer, core: kubernetes.client.CoreV1Api
) -> None:
    put_running_pod(api_server, "calc-driver")
    core.delete_namespaced_pod("calc-driver", NAMESPACE, grace_period_seconds=0)
    assert refusal(lambda: core.read_namespaced_pod_log("calc-driver", NAMESPACE))[:2] == (404, "NotFound")
