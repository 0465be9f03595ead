"""Which recorded failures were the cluster's doing: the pods and events as they stood when the resource had failed."""

import json

import kubernetes.client
import pytest

from ctr_assets.launch.kubernetes.client import Event
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION, TRAIN_JOB
from ctr_assets.launch.kubernetes.lost import disruption, expected_pods, lost_pods, names_above, own_failure
from ctr_assets.launch.kubernetes.state import (
    Phase,
    observe_pytorch_job,
    observe_spark_application,
    observe_train_job,
    occupied_seconds,
)
from ctr_assets_tests.kubernetes.recordings import read_side_stream, read_transcript

POLL_SECONDS = 1.5
KINDS = {kind.kind: kind for kind in (SPARK_APPLICATION, PYTORCH_JOB)}
OBSERVERS = {"SparkApplication": observe_spark_application, "PyTorchJob": observe_pytorch_job}

# Of each recorded failure: the pods that the cluster took away.
TAKEN = {
    "sp-drv-del": ["driver"],
    "sp-drv-force": ["driver"],
    "pt-master-del": ["master-0"],
    "sp-oom": [],
    "rec-subfail": [],
    "pt-never": [],
    "pt-worker-fail": [],
    "pt-deadline": [],
    "pt-exit-perm": [],
}


class Answer:
    def __init__(self, objects, kind):
        self.data = json.dumps({"items": objects, "kind": kind})


def completed(pod):
    """With what the recordings leave out after a pod's first frame, and the client's classes insist on."""
    status = {key: value for key, value in pod.get("status", {}).items() if key != "initContainerStatuses"}
    statuses = [{"imageID": "", "image": ""} | each for each in status.get("containerStatuses", [])]
    spec = {"containers": [{"name": "main"}]} | pod.get("spec", {})
    return pod | {"spec": spec, "status": status | {"containerStatuses": statuses}}


def deserialize(objects, kind):
    if kind == "V1PodList":
        objects = [completed(found) for found in objects]
    return kubernetes.client.ApiClient().deserialize(Answer(objects, kind), kind).items


def state_at(name, moment, side):
    """The objects of a recorded side stream as they stood then, by name."""
    objects = {}
    for frame in read_side_stream(name, side):
        if frame["t"] <= moment:
            found = frame["object"]
            objects[found["metadata"]["name"]] = found if frame["type"] != "DELETED" else None
    return [found for found in objects.values() if found is not None]


def failure(name):
    """The resource's first failed state, and when it was: seconds since its creation."""
    for frame in read_transcript(name):
        resource = frame["object"]
        if OBSERVERS[resource["kind"]](resource).phase is Phase.FAILED:
            return resource, frame["t"]
    raise AssertionError(f"{name} did not fail")


@pytest.mark.parametrize("late", [0.0, POLL_SECONDS], ids=["at once", "a poll later"])
@pytest.mark.parametrize("name", TAKEN)
def test_a_recorded_failure_is_told_apart(name, late):
    resource, moment = failure(name)
    kind = KINDS[resource["kind"]]
    pods = deserialize(state_at(name, moment + late, "pods"), "V1PodList")
    events: dict[str, list[Event]] = {each: [] for each in [name, *expected_pods(kind, resource)]}
    for event in deserialize(state_at(name, moment + late, "events"), "CoreV1EventList"):
        about = event.involved_object.name
        events.setdefault(about, []).append(
            Event(event.reason, event.message, event.first_timestamp, event.last_timestamp)
        )
    lost = lost_pods(kind, resource, OBSERVERS[kind.kind](resource).message, pods, events)
    assert [text.partition(":")[0] for text in lost] == [f"{name}-{pod}" for pod in TAKEN[name]]


# Of each recorded failure of a TrainJob: the ranks that the cluster took away.
TAKEN_RANKS = {
    "tj-evict": ["1"],
    "tj-evict-r0": ["0"],
    "tj-poddel": ["0"],
    "tj-podforce": ["1"],
    "tj-fail0": [],
    "tj-fail-r0": [],
    "tj-fail-r1": [],
    "tj-fail-slow": [],
    "tj-oom": [],
    "tj-oom2": [],
    "tj-badcmd": [],
    "tj-deadline": [],
    "tj-jobdeadline": [],
}


def looks(name, first, until):
    """Pods as a follower that looks every POLL_SECONDS has seen them last, by name."""
    seen: dict[str, dict[str, object]] = {}
    moment = first
    while moment <= until:
        seen |= {pod["metadata"]["name"]: pod for pod in state_at(name, moment, "pods")}
        moment += POLL_SECONDS
    return {pod.metadata.name: pod for pod in deserialize(list(seen.values()), "V1PodList")}


def first_told(name):
    """When the Job, or else the TrainJob, first said that it fails, and in what words."""
    for frame in read_side_stream(name, "jobs") + read_transcript(name):
        seen = observe_train_job(
            *((frame["object"],) if frame["object"]["kind"] == "TrainJob" else ({}, frame["object"]))
        )
        if seen.phase is Phase.FAILED:
            return frame["t"], seen.message
    raise AssertionError(f"{name} did not fail")


@pytest.mark.parametrize("has_followed", [True, False], ids=["followed", "re-attached"])
@pytest.mark.parametrize("late", [0.0, POLL_SECONDS], ids=["at once", "a poll later"])
@pytest.mark.parametrize("name", TAKEN_RANKS)
def test_a_recorded_failure_of_a_train_job_is_told_apart(name, late, has_followed):
    told_at, said = first_told(name)
    moment = told_at + late
    resource = read_transcript(name)[0]["object"]
    seen = looks(name, 0.5, moment) if has_followed else {}
    pods = deserialize(state_at(name, moment, "pods"), "V1PodList")
    events: dict[str, list[Event]] = {}
    for event in deserialize(state_at(name, moment, "events"), "CoreV1EventList"):
        first = event.first_timestamp or event.event_time
        found = Event(event.reason, event.message, first, event.last_timestamp)
        events.setdefault(event.involved_object.name, []).append(found)
    above = [event for each in names_above(TRAIN_JOB, name) for event in events.setdefault(each, [])]
    for each in expected_pods(TRAIN_JOB, resource, above, seen):
        events.setdefault(each, [])
    lost = lost_pods(TRAIN_JOB, resource, said, pods, events, seen)
    assert [text.partition(":")[0].rsplit("-", 2)[1] for text in lost] == TAKEN_RANKS[name]


@pytest.mark.parametrize(("name", "kind"), [("sp-drv-evict", SPARK_APPLICATION), ("dagster-evict", None)])
def test_a_recorded_eviction_says_so_while_the_pod_ends(name, kind):
    pods = read_side_stream(name, "pods")
    told = [frame["object"] for frame in pods if "deletionTimestamp" in frame["object"]["metadata"]]
    first, *_ = deserialize(told[:1], "V1PodList")
    assert (disruption(first) or "").startswith("EvictionByEvictionAPI")
    assert own_failure(kind or SPARK_APPLICATION, first) is None


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"reason": "Evicted", "message": "The node was low on resource: memory."}, "Evicted The node was low"),
        ({"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."}, "shutdown"),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}, "Preem"),
        ({"conditions": [{"type": "DisruptionTarget", "status": "False", "reason": "PreemptionByScheduler"}]}, None),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "PodFailed"}]}, None),
        ({}, None),
    ],
)
def test_each_way_to_be_taken_away_has_its_sign(status, said):
    (pod,) = deserialize([{"metadata": {"name": "p"}, "status": {"phase": "Failed"} | status}], "V1PodList")
    told = disruption(pod)
    assert told is None if said is None else said in (told or "")


def pod(name, **status):
    return {"metadata": {"name": f"ctr-x-{name}"}, "status": {"phase": "Failed"} | status}


def ended(code, at):
    state = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at}}
    status = {"name": "pytorch", "state": state, "ready": False, "restartCount": 0}
    return {"containerStatuses": [status]}


JOB = {
    "kind": "PyTorchJob",
    "metadata": {"name": "ctr-x"},
    "spec": {"pytorchReplicaSpecs": {"Master": {"replicas": 1}, "Worker": {"replicas": 2}}},
}
SAID = "PyTorchJob ctr-x is failed because 1 Master replica(s) failed."


def lost_of(pods, **killed_at):
    """``killed_at``: when the kubelet stopped a pod, or that the operator deleted it."""
    events: dict[str, list[Event]] = {each: [] for each in ["ctr-x", *expected_pods(PYTORCH_JOB, JOB)]}
    for name, at in killed_at.items():
        full = f"ctr-x-{name.replace('_', '-')}"
        if at == "cleaned":
            events["ctr-x"].append(Event("SuccessfulDeletePod", f"Deleted pod: {full}", None, None))
        else:
            (found,) = deserialize([{"metadata": {}, "involvedObject": {}, "firstTimestamp": at}], "CoreV1EventList")
            events[full].append(Event("Killing", "Stopping container pytorch", found.first_timestamp, None))
    found = lost_pods(PYTORCH_JOB, JOB, SAID, deserialize(pods, "V1PodList"), events)
    return [text.partition(":")[0].removeprefix("ctr-x-") for text in found]


def test_the_reset_connection_of_rank_0_does_not_hide_that_a_worker_was_taken_away():
    reset = pod("master-0", **ended(1, "2026-11-22T08:00:10Z"))
    other = pod("worker-1", phase="Running")
    assert lost_of([reset, other], worker_0="2026-11-22T08:00:09Z") == ["worker-0"]
    assert lost_of([reset, other], worker_0="2026-11-22T08:00:10Z") == ["worker-0"]


def test_what_is_cleaned_up_after_a_failure_is_not_its_cause():
    failed = pod("master-0", **ended(1, "2026-11-22T08:00:10Z"))
    assert lost_of([failed], worker_0="cleaned", worker_1="cleaned") == []
    # The operator's events may be dropped where there are many: the kubelet's came after the failure.
    assert lost_of([failed], worker_0="2026-11-22T08:00:11Z", worker_1="2026-11-22T08:00:11Z") == []


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("rec-ok", 34),
        ("rec-pt-ok", 6),
        ("rec-pt-fail", 4),
        ("tj-ok2", 8),
        ("tj-fail0", 7),
        # Created suspended, as a queue has it: three seconds that occupied nothing.
        ("sp-suspend-create", 17),
        ("pt-suspend-create", 5),
        ("tj-suspend-create", 7),
    ],
)
def test_what_a_recorded_resource_occupied_is_its_own_times(name, seconds):
    last = [f["object"] for f in read_transcript(name) if f["type"] == "MODIFIED"][-1]
    assert occupied_seconds(last) == seconds
