"""Recorded and played runs in comparable form: states, pods, and the wait for them."""

import time
from collections.abc import Callable
from typing import Any

import kubernetes.client
import kubernetes.watch

from ctr_assets_tests.kubernetes.manifests import NAMESPACE
from ctr_assets_tests.kubernetes.recordings import read_transcript
from ctr_assets_tests.kubernetes.resources import Json, Resource
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.storage import Change

ON_FAILURE = {"type": "OnFailure", "onFailureRetries": 1, "onFailureRetryInterval": 1}
END_SECONDS = 15.0


def summary(obj: Json) -> Any:
    """What the status says: the application's state and error, or the conditions."""
    status = obj.get("status") or {}
    if "applicationState" in status:
        error = status["applicationState"].get("errorMessage", "")
        short = "submission failed" if "spark-submit: 26/" in error or "fabric8" in error else error
        return status["applicationState"]["state"], short.replace(obj["metadata"]["name"], "NAME")
    return [
        (one["type"], one["status"], one["reason"], one["message"].replace(obj["metadata"]["name"], "NAME"))
        for one in status.get("conditions") or []
    ]


def without_repeats(items: list[Any]) -> list[Any]:
    return [item for i, item in enumerate(items) if i == 0 or items[i - 1] != item]


def recorded_states(name: str) -> list[Any]:
    """From the create to the end or the delete, each state once."""
    frames = read_transcript(name)
    uid = frames[0]["object"]["metadata"]["uid"]
    own = [summary(one["object"]) for one in frames if one["object"]["metadata"]["uid"] == uid]
    return [item for item in without_repeats(own) if item != []]


def played_states(server: FakeApiServer, resource: Resource, name: str, from_version: int = 0) -> list[Any]:
    changes = changes_of(server, resource, name, from_version)
    return [item for item in without_repeats([summary(one.object) for one in changes]) if item != []]


def changes_of(server: FakeApiServer, resource: Resource, name: str, from_version: int = 0) -> list[Change]:
    found = server.store.changes_after(from_version)
    return [one for one in found if one.resource == resource and one.object["metadata"]["name"] == name]


def wait_until(server: FakeApiServer, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_SECONDS
    with server.store.changed:
        while not is_so():
            if not server.store.changed.wait(max(0.0, deadline - time.monotonic())):
                raise TimeoutError("the operator did not get there")


def create(server: FakeApiServer, resource: Resource, manifest: Json) -> Json:
    api = kubernetes.client.CustomObjectsApi(server.client())
    at = (resource.group, resource.version, NAMESPACE, resource.plural)
    created: Json = api.create_namespaced_custom_object(*at, manifest)
    return created


def play(server: FakeApiServer, resource: Resource, manifest: Json, states: int) -> list[Any]:
    """Create the resource and wait until it has gone through as many states as were recorded."""
    name = manifest["metadata"]["name"]
    create(server, resource, manifest)
    wait_until(server, lambda: len(played_states(server, resource, name)) >= states)
    return played_states(server, resource, name)


def job_states(statuses: list[Json]) -> list[Any]:
    """What a Job counts and concludes, each state once; whether its pod is ready is the pod's own story."""
    seen = []
    for status in statuses:
        counts = [status.get(key, 0) for key in ("active", "succeeded", "failed", "terminating")]
        uncounted = [(key, len(uids)) for key, uids in status.get("uncountedTerminatedPods", {}).items()]
        ended = [key for key in ("startTime", "completionTime") if key in status]
        seen.append((counts, uncounted, ended, summary({"metadata": {"name": "NAME"}, "status": status})))
    return [one for one in without_repeats(seen) if one[2]]


def pod_frames(frames: list[tuple[str, Json]]) -> list[Any]:
    """A pod's life as a client sees it: type, phase, its container's state, whether it is being deleted."""
    seen = []
    for type_, obj in frames:
        status = (obj["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]
        state = next(((key, value.get("reason"), value.get("exitCode")) for key, value in status.items()), None)
        seen.append((type_, obj["status"]["phase"], state, "deletionTimestamp" in obj["metadata"]))
    return without_repeats(seen)
