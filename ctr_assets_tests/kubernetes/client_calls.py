"""Calls of the official client that several test modules make."""

import json
import time
from collections.abc import Callable
from typing import Any

import kubernetes.client
import kubernetes.config
import kubernetes.watch
import pytest
from kubernetes.client import ApiException

from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, pod
from ctr_assets_tests.kubernetes.resources import PODS, PYTORCH_JOBS, SPARK_APPLICATIONS, Json, Resource
from ctr_assets_tests.kubernetes.server import FakeApiServer

SPARK = (SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.version, NAMESPACE, SPARK_APPLICATIONS.plural)
PYTORCH = (PYTORCH_JOBS.group, PYTORCH_JOBS.version, NAMESPACE, PYTORCH_JOBS.plural)
RUNNING = {"applicationState": {"state": "RUNNING"}, "driverInfo": {"podName": "calc-driver"}}


def refusal(call: Callable[[], Any]) -> tuple[int, str | None, str]:
    """Status, reason and message of a call that is refused."""
    with pytest.raises(ApiException) as told:
        call()
    body = json.loads(told.value.body)
    return told.value.status, body.get("reason"), body["message"]


def put_running_pod(server: FakeApiServer, name: str, owners: list[Json] | None = None) -> Json:
    manifest = pod(name, namespace=NAMESPACE, ownerReferences=owners or [])
    server.store.create(PODS, manifest | {"status": {"phase": "Pending"}})
    server.store.edit(PODS, NAMESPACE, name, pod_states.schedule)
    return server.store.edit(PODS, NAMESPACE, name, pod_states.run)


def owner(obj: Json, resource: Resource = SPARK_APPLICATIONS) -> Json:
    named = {"apiVersion": resource.api_version, "kind": resource.kind, "name": obj["metadata"]["name"]}
    return named | {"uid": obj["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}


def watched(api: Any, count: int, at: tuple[str, ...] = SPARK, **options: Any) -> list[Json]:
    """The first frames of a watch; fewer where it ends before."""
    frames = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(api.list_namespaced_custom_object, *at, **{"timeout_seconds": 3} | options):
        frames.append(event)
        if len(frames) == count:
            watch.stop()
    return frames


def wait_until_gone(server: FakeApiServer, name: str) -> None:
    deadline = time.monotonic() + 5
    with server.store.changed:
        while server.store.find(PODS, NAMESPACE, name) is not None:
            assert server.store.changed.wait(max(0.0, deadline - time.monotonic())), f"{name} is still there"
