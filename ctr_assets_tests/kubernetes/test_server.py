"""The fake API server under the official client: objects and watches."""

import json
import threading
import time

import kubernetes.client
import kubernetes.config
import kubernetes.watch
import pytest
from kubernetes.client import ApiException

from ctr_assets_tests.kubernetes.client_calls import (
    PYTORCH,
    RUNNING,
    SPARK,
    refusal,
    watched,
)
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, job, pytorch_job, spark_application
from ctr_assets_tests.kubernetes.resources import EVENTS
from ctr_assets_tests.kubernetes.server import FakeApiServer


def test_a_created_object_has_uid_version_generation_and_no_status(custom: kubernetes.client.CustomObjectsApi) -> None:
    created = custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    assert {"uid", "resourceVersion", "creationTimestamp", "generation"} <= set(created["metadata"])
    assert "status" not in created
    assert custom.get_namespaced_custom_object(*SPARK, "calc") == created


def test_of_two_racing_creates_one_wins_and_the_other_is_told_that_it_exists(
    api_server: FakeApiServer,
) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def create() -> None:
        api = kubernetes.client.CustomObjectsApi(api_server.client())
        start.wait()
        try:
            api.create_namespaced_custom_object(*SPARK, spark_application("calc"))
            outcomes.append("created")
        except ApiException as e:
            outcomes.append(json.loads(e.body)["reason"])

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["AlreadyExists", "created"]


def test_a_stale_version_is_a_conflict(custom: kubernetes.client.CustomObjectsApi) -> None:
    old = custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    custom.patch_namespaced_custom_object(*SPARK, "calc", {"metadata": {"labels": {"a": "1"}}})
    status, reason, _ = refusal(lambda: custom.replace_namespaced_custom_object(*SPARK, "calc", old))
    assert (status, reason) == (409, "Conflict")


def test_status_and_spec_are_written_apart(custom: kubernetes.client.CustomObjectsApi) -> None:
    custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    custom.patch_namespaced_custom_object_status(*SPARK, "calc", {"spec": {"image": "other"}, "status": RUNNING})
    custom.patch_namespaced_custom_object(*SPARK, "calc", {"spec": {"arguments": ["2"]}, "status": {"driverInfo": {}}})
    found = custom.get_namespaced_custom_object(*SPARK, "calc")
    assert found["status"] == RUNNING
    assert found["spec"]["image"] == spark_application("calc")["spec"]["image"]
    assert found["spec"]["arguments"] == ["2"]
    assert found["metadata"]["generation"] == 2


def test_a_misspelt_field_is_pruned_with_a_warning_and_refused_under_strict(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    manifest = spark_application("calc", memroy="1g")
    created, _, headers = custom.create_namespaced_custom_object_with_http_info(*SPARK, manifest)
    assert "memroy" not in created["spec"]
    assert 'unknown field \\"spec.memroy\\"' in headers["Warning"]
    strict = spark_application("calc2", memroy="1g")
    status, reason, message = refusal(
        lambda: custom.create_namespaced_custom_object(*SPARK, strict, field_validation="Strict")
    )
    assert (status, reason) == (400, "BadRequest")
    assert 'unknown field "spec.memroy"' in message


def test_an_invalid_manifest_is_refused_with_its_causes(custom: kubernetes.client.CustomObjectsApi) -> None:
    with pytest.raises(ApiException) as told:
        custom.create_namespaced_custom_object(*SPARK, spark_application("calc", type="Cobol"))
    causes = json.loads(told.value.body)["details"]["causes"]
    assert told.value.status == 422
    assert [(one["reason"], one["field"]) for one in causes] == [("FieldValueNotSupported", "spec.type")]


def test_a_pytorch_job_without_the_container_that_the_operator_wants_is_denied(
    custom: kubernetes.client.CustomObjectsApi,
) -> None:
    manifest = pytorch_job("train", "true")
    manifest["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]["name"] = "torch"
    status, reason, message = refusal(lambda: custom.create_namespaced_custom_object(*PYTORCH, manifest))
    assert (status, reason) == (403, "Forbidden")
    assert "must have at least one container with name pytorch" in message


def test_an_unknown_group_is_answered_in_plain_text(custom: kubernetes.client.CustomObjectsApi) -> None:
    with pytest.raises(ApiException) as told:
        custom.list_namespaced_custom_object("nope.io", "v1", NAMESPACE, "things")
    assert (told.value.status, told.value.body) == (404, "404 page not found\n")


def test_selectors_pick_by_label_and_by_name(custom: kubernetes.client.CustomObjectsApi) -> None:
    for name, team in (("a", "x"), ("b", "y"), ("c", "z")):
        manifest = spark_application(name)
        manifest["metadata"]["labels"] = {"team": team}
        custom.create_namespaced_custom_object(*SPARK, manifest)

    def names(**options: str) -> list[str]:
        found = custom.list_namespaced_custom_object(*SPARK, **options)["items"]
        return [one["metadata"]["name"] for one in found]

    assert names(label_selector="team in (x,y)") == ["a", "b"]
    assert names(label_selector="team!=x,team") == ["b", "c"]
    assert names(label_selector="!team") == []
    assert names(field_selector="metadata.name=c") == ["c"]
    status, _, message = refusal(lambda: names(field_selector="spec.type=Python"))
    assert (status, message) == (400, "field label not supported: spec.type")


def test_a_list_comes_in_pages(batch: kubernetes.client.BatchV1Api) -> None:
    for i in range(3):
        batch.create_namespaced_job(NAMESPACE, job(f"j{i}"))
    first = batch.list_namespaced_job(NAMESPACE, limit=2)
    batch.delete_namespaced_job("j2", NAMESPACE, propagation_policy="Background")
    rest = batch.list_namespaced_job(NAMESPACE, limit=2, _continue=first.metadata._continue)
    assert [one.metadata.name for one in first.items] == ["j0", "j1"]
    assert [one.metadata.name for one in rest.items] == ["j2"]  # as it stood at the first page's version


def test_a_job_read_changed_and_written_back_keeps_its_template(batch: kubernetes.client.BatchV1Api) -> None:
    batch.create_namespaced_job(NAMESPACE, job("run", suspend=True))
    found = batch.read_namespaced_job("run", NAMESPACE)
    found.spec.suspend = False
    assert batch.replace_namespaced_job("run", NAMESPACE, found).spec.suspend is False
    assert batch.read_namespaced_job_status("run", NAMESPACE).metadata.generation == 2


def test_events_are_found_by_the_object_that_they_are_about(
    api_server: FakeApiServer, core: kubernetes.client.CoreV1Api
) -> None:
    about = {"kind": "Pod", "name": "a", "uid": "u1", "namespace": NAMESPACE}
    for i, uid in enumerate(("u1", "u2")):
        metadata = {"name": f"e{i}", "namespace": NAMESPACE}
        event = {"metadata": metadata, "involvedObject": about | {"uid": uid}, "reason": "Failed", "type": "Warning"}
        api_server.store.create(EVENTS, event)
    found = core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.name=a,involvedObject.uid=u2")
    assert [one.metadata.name for one in found.items] == ["e1"]


def test_a_watch_goes_on_from_a_version_and_sees_every_change(custom: kubernetes.client.CustomObjectsApi) -> None:
    version = custom.list_namespaced_custom_object(*SPARK)["metadata"]["resourceVersion"]
    custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    custom.patch_namespaced_custom_object_status(*SPARK, "calc", {"status": RUNNING})
    custom.patch_namespaced_custom_object_status(*SPARK, "calc", {"status": RUNNING})  # changes nothing: no frame
    custom.delete_namespaced_custom_object(*SPARK, "calc")
    frames = watched(custom, 3, resource_version=version)
    assert [one["type"] for one in frames] == ["ADDED", "MODIFIED", "DELETED"]


def test_a_watch_without_a_version_begins_with_what_is_there(custom: kubernetes.client.CustomObjectsApi) -> None:
    custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    assert [one["type"] for one in watched(custom, 1)] == ["ADDED"]


def test_a_watch_ends_cleanly_with_its_timeout(custom: kubernetes.client.CustomObjectsApi) -> None:
    started = time.monotonic()
    frames = list(
        kubernetes.watch.Watch().stream(
            custom.list_namespaced_custom_object, *SPARK, timeout_seconds=1, resource_version="99999999"
        )
    )
    assert frames == []
    assert 0.9 < time.monotonic() - started < 3


def test_two_lives_of_one_name_have_two_uids_in_one_watch(custom: kubernetes.client.CustomObjectsApi) -> None:
    version = custom.list_namespaced_custom_object(*SPARK)["metadata"]["resourceVersion"]
    for _ in range(2):
        custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
        custom.delete_namespaced_custom_object(*SPARK, "calc")
    frames = watched(custom, 4, resource_version=version)
    assert len({one["object"]["metadata"]["uid"] for one in frames}) == 2


def test_an_expired_version_is_410_in_the_watch_and_a_new_list_helps(
    api_server: FakeApiServer, custom: kubernetes.client.CustomObjectsApi
) -> None:
    custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))
    version = custom.list_namespaced_custom_object(*SPARK)["metadata"]["resourceVersion"]
    api_server.expire_watches()
    with pytest.raises(ApiException) as told:
        watched(custom, 1, resource_version=version)
    assert (told.value.status, told.value.reason.split(":")[0]) == (410, "Expired")
    fresh = custom.list_namespaced_custom_object(*SPARK)["metadata"]["resourceVersion"]
    custom.patch_namespaced_custom_object_status(*SPARK, "calc", {"status": RUNNING})
    assert [one["type"] for one in watched(custom, 1, resource_version=fresh)] == ["MODIFIED"]
