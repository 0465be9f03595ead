"""Every recorded run can be replayed onto the fake cluster."""

from typing import Any

from ctr_assets_tests.kubernetes.client_view import without_times
from ctr_assets_tests.kubernetes.manifests import job, pytorch_job, spark_application, train_job, training_runtime
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.recorded_runs import (
    changes_of,
    create,
    pod_frames,
    wait_until,
    without_repeats,
)
from ctr_assets_tests.kubernetes.recordings import read_side_stream, read_transcript, transcript_names
from ctr_assets_tests.kubernetes.resources import (
    JOBS,
    PODS,
    PYTORCH_JOBS,
    SPARK_APPLICATIONS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Json,
    Resource,
)
from ctr_assets_tests.kubernetes.server import FakeApiServer

# Nothing is waited for: the order of the frames is what counts.
REPLAY_SPEED = 100_000.0
RECORDED_RUNS = 146
MANIFESTS = {
    "SparkApplication": (SPARK_APPLICATIONS, spark_application("any")),
    "PyTorchJob": (PYTORCH_JOBS, pytorch_job("any", "true")),
    "TrainJob": (TRAIN_JOBS, train_job("any", "true")),
    "Job": (JOBS, job("any")),
}


def test_every_recorded_stream_can_be_replayed(api_server: FakeApiServer) -> None:
    """The same statuses in the same order, and the same states of every pod beside them."""
    names = transcript_names()
    assert len(names) == RECORDED_RUNS
    api_server.store.create(TRAINING_RUNTIMES, training_runtime())
    streams = {}
    with ScriptedOperator(api_server, speed=REPLAY_SPEED) as operator:
        operator.scenario = lambda obj: f"replay:{obj['metadata']['labels']['transcript']}"
        for name in names:
            frames = read_transcript(name)
            recorded = frames[0]["object"]
            resource, manifest = MANIFESTS[recorded["kind"]]
            labels = {"transcript": name}
            called = recorded["metadata"]["name"]
            create(api_server, resource, manifest | {"metadata": {"name": called, "labels": labels}})
            streams[name] = (resource, called, replayed_statuses(frames))
        for name, (resource, called, expected) in streams.items():
            wait_for_statuses(api_server, resource, called, expected)
            assert statuses(api_server, resource, called) == expected, name
    for name in names:
        for pod, frames in by_name(read_side_stream(name, "pods")).items():
            seen = pod_life([one.object for one in changes_of(api_server, PODS, pod)])
            assert seen == pod_life(frames), (name, pod)


def wait_for_statuses(server: FakeApiServer, resource: Resource, name: str, expected: list[Any]) -> None:
    wait_until(server, lambda: len(statuses(server, resource, name)) >= len(expected))


def by_name(frames: list[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for frame in frames:
        found.setdefault(frame["object"]["metadata"]["name"], []).append(frame["object"])
    return found


def pod_life(frames: list[Json]) -> list[Any]:
    """Its phases and its container's states; a client's deletes are not replayed."""
    return without_repeats([one[1:3] for one in pod_frames([("", obj) for obj in frames])])


def replayed_statuses(frames: list[Json]) -> list[Any]:
    """What the operator wrote to the object in play before its client deleted it."""
    uid = frames[0]["object"]["metadata"]["uid"]
    own = [one["object"] for one in frames if one["object"]["metadata"]["uid"] == uid and one["type"] != "DELETED"]
    return told_statuses([obj for obj in own if "deletionTimestamp" not in obj["metadata"]])


def statuses(server: FakeApiServer, resource: Resource, name: str) -> list[Any]:
    return told_statuses([one.object for one in changes_of(server, resource, name)])


def told_statuses(objects: list[Json]) -> list[Any]:
    return without_repeats([without_times(obj["status"]) for obj in objects if obj.get("status")])
