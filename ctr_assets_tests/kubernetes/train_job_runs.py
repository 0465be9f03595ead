"""Plays a recorded run of a TrainJob on the fake cluster: the same manifest, the same acts at the same moments."""

import math
import re
import time
from functools import cache, partial
from typing import Any

import kubernetes.client
import yaml
from kubernetes.client.exceptions import ApiException

from ctr_assets_tests.kubernetes import job_set_controller, trainer_webhooks
from ctr_assets_tests.kubernetes.manifests import NAMESPACE
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.recordings import RECORDED, TRANSCRIPTS, read_side_stream, read_transcript
from ctr_assets_tests.kubernetes.resources import (
    CLUSTER_TRAINING_RUNTIMES,
    JOB_SETS,
    JOBS,
    PODS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Json,
    Resource,
)
from ctr_assets_tests.kubernetes.server import FakeApiServer

SPEED = 10.0
"""As the grace of pods, which the server shortens to a tenth."""
CONTROLLERS = {"trainer controller": trainer_webhooks.COMPONENT, "jobset controller": job_set_controller.COMPONENT}
QUOTAS = {"tj-quota": ("jobsets", "tight", 0), "tj-podquota": ("pods", "tightp", 1)}
SCENARIOS = {
    "tj-noimg": "image_cannot_be_pulled",
    "tj-unsched": "unschedulable",
    "tj-nosa": "pods_refused",
    "tj-oom": "oom:0.1",
}
# A container's first process does not hear SIGTERM unless it asks for it.
AS_FIRST_PROCESS = "trap '' TERM; "
EATING = "kill -9 $$"
STATE_SECONDS = 8.0
DEADLINE = 3
"""How many times as late a job's deadline comes: on a busy machine its process may not have started before."""
SETTLE_SECONDS = 1.0
GHOSTS = ("tj-again-fg", "tj-del-fail-fg", "tj-del-fg", "tj-del-fg-slow")
"""Deleted in the foreground before they were Complete: they run again, how often is a race."""
SLOW_COLLECTION = (*GHOSTS, "tj-stale")
"""Trainer was faster than the garbage collector; on a busy machine it is only where that takes its time."""
SLOW_COLLECTION_SECONDS = 1.0
LEFT_OUT_EVENTS = (
    *("Pulled", "Created", "Started", "Scheduled", "Pulling", "Killing"),
    "FailedToRetrieveImagePullSecret",
)


def run_names() -> list[str]:
    """The recorded TrainJobs; one was refused, and has no stream of its own."""
    names = {path.stem for path in TRANSCRIPTS.glob("tj-*.jsonl")}
    sides = re.compile(r"-(actions|events|jobs|jobsets|pods|services)$")
    return sorted({sides.sub("", name) for name in names})


@cache
def runtimes() -> tuple[Json, ...]:
    """The runtimes that the recorded runs name."""
    files = [RECORDED / "manifests" / name for name in ("runtimes.yaml", "torch_distributed.yaml")]
    return tuple(obj for file in files for obj in yaml.safe_load_all(file.read_text()))


class Run:
    """One recorded run, on a server of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        added = [obj for type_, obj in recorded_frames(name) if type_ == "ADDED"]
        self._specs = [obj["spec"] for obj in added]
        self._called = added[0]["metadata"]["name"]
        self._labels = added[0]["metadata"].get("labels", {})
        self.refusals: list[int] = []
        """What the server said to acts that it refused, in their order."""

    def play(self) -> "Run":
        """To where the recording ends, and on until it has come as far."""
        self.server = FakeApiServer()
        with self.server, ScriptedOperator(self.server, speed=SPEED) as self._operator:
            self._operator.scenario = SCENARIOS.get(self.name, "run")
            self._prepare()
            self._act_as_recorded()
            self._wait_for_state_at(math.inf)
            # What must not follow would follow now.
            time.sleep(SETTLE_SECONDS)
        return self

    def frames(self, resource: Resource) -> list[tuple[str, Json]]:
        """What became of the objects of a resource: type and object of each change."""
        return [(one.type, one.object) for one in self.server.store.changes_after(0) if one.resource == resource]

    def _act_as_recorded(self) -> None:
        began = time.monotonic()
        acts = [one for one in read_side_stream(self.name, "actions") if one["type"] not in ("LOG", "TIMEOUT")]
        for act in sorted(acts, key=lambda one: float(one["t"])):
            time.sleep(max(0.0, began + act["t"] / SPEED - time.monotonic()))
            self._wait_for_state_at(act["t"])
            self._act(act["type"], act["object"])
        last = max(frame["t"] for frame in read_transcript(self.name))
        time.sleep(max(0.0, began + last / SPEED - time.monotonic()))

    def _wait_for_state_at(self, moment: float) -> None:
        """Until as much has become of it as had been recorded then, or for a while."""
        recorded = milestones(*(recorded_frames(self.name, side, moment) for side in ("", "jobs", "pods")))
        deadline = time.monotonic() + STATE_SECONDS
        while time.monotonic() < deadline:
            seen = milestones(self.frames(TRAIN_JOBS), self.frames(JOBS), self.frames(PODS))
            if all(is_now >= was for is_now, was in zip(seen, recorded, strict=True)):
                return
            time.sleep(0.02)

    def _prepare(self) -> None:
        for runtime in runtimes():
            of_cluster = runtime["kind"] == CLUSTER_TRAINING_RUNTIMES.kind
            resource = CLUSTER_TRAINING_RUNTIMES if of_cluster else TRAINING_RUNTIMES
            place = {"namespace": "" if of_cluster else runtime["metadata"]["namespace"]}
            self.server.store.create(resource, runtime | {"metadata": runtime["metadata"] | place})
        if self.name in SLOW_COLLECTION:
            self.server.garbage.collect_seconds = SLOW_COLLECTION_SECONDS
        if self.name in QUOTAS:
            self.server.limit(NAMESPACE, *QUOTAS[self.name])

    def _manifest(self) -> Json:
        spec = dict(self._specs.pop(0))
        if "command" in spec.get("trainer", {}):
            *shell, script = spec["trainer"]["command"]
            command = [*shell, AS_FIRST_PROCESS + _faster(script)] if shell else [script]
            spec["trainer"] = spec["trainer"] | {"command": command}
        if "activeDeadlineSeconds" in spec:
            spec["activeDeadlineSeconds"] *= DEADLINE
        metadata = {"name": self._called, "labels": self._labels}
        return {"apiVersion": TRAIN_JOBS.api_version, "kind": TRAIN_JOBS.kind, "metadata": metadata, "spec": spec}

    def _act(self, type_: str, about: Json) -> None:
        match type_:
            case "CREATE":
                manifest = self._manifest() if about["code"] == "2xx" else self._refused_manifest(about["name"])
                self._ask(partial(self._custom().create_namespaced_custom_object, *self._at(), manifest))
            case "PATCH":
                patch = self._custom().patch_namespaced_custom_object
                self._ask(partial(patch, *self._at(), self._called, about["body"]))
            case "DELETE":
                self._delete(about)
            case "EVICT":
                self.server.api.pods.evict(NAMESPACE, self._pod(about["pod"])["metadata"]["name"])
            case "DOWN":
                self._change_controller(about["what"], is_away=True)
            case "UP":
                self._change_controller(about["what"], is_away=False)
            case "NOTE" if "quota" in about:
                self.server.lift_limit(NAMESPACE, QUOTAS[self.name][0])

    def _refused_manifest(self, name: str) -> Json:
        reference = {"runtimeRef": {"name": "ctr-torch"}, "trainer": {"numNodes": 1}}
        kind = {"apiVersion": TRAIN_JOBS.api_version, "kind": TRAIN_JOBS.kind}
        return kind | {"metadata": {"name": name}, "spec": reference}

    def _ask(self, call: Any) -> None:
        try:
            call()
        except ApiException as e:
            self.refusals.append(e.status)

    def _delete(self, about: Json) -> None:
        policy = {"propagation_policy": about.get("propagationPolicy")} if about.get("propagationPolicy") else {}
        if "clustertrainingruntime" in about:
            self.server.store.remove((CLUSTER_TRAINING_RUNTIMES, "", about["clustertrainingruntime"]))
        elif "pod" in about:
            name = self._pod(about["pod"])["metadata"]["name"]
            grace = {"grace_period_seconds": 0} if "gracePeriodSeconds" in about else {}
            kubernetes.client.CoreV1Api(self.server.client()).delete_namespaced_pod(name, NAMESPACE, **grace)
        else:
            resource: Resource = JOB_SETS if "jobset" in about else JOBS if "job" in about else TRAIN_JOBS
            name = about.get("jobset") or about.get("job") or self._called
            at = (resource.group, resource.version, NAMESPACE, resource.plural)
            self._ask(partial(self._custom().delete_namespaced_custom_object, *at, name, **policy))

    def _pod(self, recorded: str) -> Json:
        """The newest pod of the same rank."""
        rank = recorded.rsplit("-", 2)[1]
        pods = self.server.store.objects(PODS)
        of_rank = [pod for pod in pods if pod["metadata"]["name"].rsplit("-", 2)[1] == rank]
        return max(of_rank, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    def _change_controller(self, what: str, is_away: bool) -> None:
        if what == "API server":
            (self.server.refuse_connections if is_away else self.server.accept_connections)()
        elif is_away:
            self._operator.away.add(CONTROLLERS[what])
        else:
            self._operator.away.discard(CONTROLLERS[what])

    def _custom(self) -> kubernetes.client.CustomObjectsApi:
        return kubernetes.client.CustomObjectsApi(self.server.client())

    def _at(self) -> tuple[str, str, str, str]:
        return TRAIN_JOBS.group, TRAIN_JOBS.version, NAMESPACE, TRAIN_JOBS.plural


def _faster(script: str) -> str:
    """The same with shorter sleeps; what eats memory is killed as if for it."""
    script = re.sub(r"sleep (\d+)", lambda found: f"sleep {int(found[1]) / SPEED}", script)
    return re.sub(r"(exec )?\beat\b", EATING, script)


def recorded_frames(name: str, side: str = "", before: float = math.inf) -> list[tuple[str, Json]]:
    """Type and object of each frame of a stream."""
    frames = read_side_stream(name, side) if side else read_transcript(name)
    return [(frame["type"], frame["object"]) for frame in frames if frame["t"] <= before]


def milestones(
    train_jobs: list[tuple[str, Json]], jobs: list[tuple[str, Json]], pods: list[tuple[str, Json]]
) -> tuple[int, int, int, int]:
    """How many states the TrainJobs and the Jobs have been in, and how many pods have run, and have ended."""
    phases = [(obj["metadata"]["name"], obj["status"].get("phase")) for _, obj in pods]
    started = {name for name, phase in phases if phase not in (None, "Pending")}
    ended = {name for name, phase in phases if phase in ("Succeeded", "Failed")}
    return sum(map(len, stories(train_jobs))), sum(map(len, stories(jobs))), len(started), len(ended)


def stories(frames: list[tuple[str, Json]]) -> list[list[Any]]:
    """Of each object, one uid after the other: its conditions, each state once, and that it is gone."""
    found: dict[str, list[Any]] = {}
    for type_, obj in frames:
        story = found.setdefault(obj["metadata"]["uid"], [])
        conditions = (obj.get("status") or {}).get("conditions") or []
        state: Any = sorted((one["type"], one["status"], one["reason"], one["message"]) for one in conditions)
        for said in [state, *(["gone"] if type_ == "DELETED" else [])]:
            if said != (story[-1] if story else []):
                story.append(said)
    return list(found.values())


def pod_ends(frames: list[tuple[str, Json]]) -> dict[str, list[Any]]:
    """By rank, of each of its pods: exit code (None before its end), disruption, whether it is being deleted."""
    found: dict[str, dict[str, Any]] = {}
    for _, obj in frames:
        name, status = obj["metadata"]["name"], obj["status"]
        states = [one.get("state", {}) for one in status.get("containerStatuses", [])]
        code = next((state["terminated"]["exitCode"] for state in states if "terminated" in state), None)
        disrupted = [one["reason"] for one in status.get("conditions", []) if one["type"] == "DisruptionTarget"]
        rank = name.rsplit("-", 2)[1]
        found.setdefault(rank, {})[name] = (code, *disrupted, "deletionTimestamp" in obj["metadata"])
    return {rank: list(pods.values()) for rank, pods in sorted(found.items())}


def agree(recorded: dict[str, list[Any]], played: dict[str, list[Any]]) -> bool:
    """Whether each rank had as many pods with the same ends; of a pod without an end no more was recorded."""
    if {rank: len(ends) for rank, ends in recorded.items()} != {rank: len(ends) for rank, ends in played.items()}:
        return False
    pairs = [pair for rank in recorded for pair in zip(recorded[rank], played[rank], strict=True)]
    return all(was == is_now for was, is_now in pairs if was[0] is not None)


def told_events(frames: list[tuple[str, Json]]) -> set[tuple[str, str, str]]:
    """Kind, reason and type of the events, but for those of which the recordings leave some out."""
    seen = {(obj["involvedObject"]["kind"], obj["reason"], obj["type"]) for _, obj in frames}
    return {one for one in seen if one[1] not in LEFT_OUT_EVENTS and one[0] != "Service"}
