"""Pods that the cluster took away, told apart from those that failed by themselves: pure functions of what is seen.

Held to recordings: an evicted pod carries the condition DisruptionTarget while it ends and is gone a second later; a
pod that is deleted leaves its kubelet's event Killing; and an operator says which pods it deletes itself. A TrainJob's
evicted pod is gone when the job has failed: of its pods counts how they were seen last.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from kubernetes.client import V1ContainerStateTerminated, V1Pod

from ctr_assets.launch.kubernetes.client import Event
from ctr_assets.launch.kubernetes.kinds import SPARK_APPLICATION, TRAIN_JOB, Kind

TAKEN_AWAY: Final = frozenset(
    {"Evicted", "NodeLost", "NodeShutdown", "Preempting", "Preempted", "Shutdown", "Terminated"}
)
"""Reasons in a pod's status: node pressure, a node that is silent or shuts down, a pod of higher priority."""

_A_POD_FAILED: Final = {
    "SparkApplication": ("driver ",),
    "PyTorchJob": ("replica(s) failed",),
    "TrainJob": ("one or more job failures", "specified backoff limit"),
}
"""What the operators say where a pod made the resource fail, and not its submission or its deadline."""
_CREATED: Final = "SuccessfulCreate"
_CLEANED: Final = ("SuccessfulDeletePod", "SuccessfulDelete")


def lost_pods(
    kind: Kind,
    resource: Mapping[str, Any],
    said: str,
    pods: Iterable[V1Pod],
    events: Mapping[str, Iterable[Event]],
    seen: Mapping[str, V1Pod] | None = None,
) -> list[str]:
    """What took away the pods of a failed resource, one text each; empty where it failed by itself.

    ``said`` is the operator's message; ``events`` are by the name of the object that they are about: the resource, and
    each pod that it should have; ``seen`` are pods as they were seen last. A pod that was deleted after another one
    failed by itself is no cause: operators clean up.
    """
    if not _is_of_a_pod(kind, said):
        return []
    found = {pod.metadata.name: pod for pod in pods}
    ends = [end.finished_at for pod in found.values() if (end := own_failure(kind, pod)) and end.finished_at]
    above = [event for name in names_above(kind, resource["metadata"]["name"]) for event in events[name]]
    cleaned = {event.message.rpartition(" ")[2] for event in above if _is_cleaning(event, resource)}
    disrupted, deleted = [], []
    for name in expected_pods(kind, resource, above, seen or {}):
        pod, last = found.get(name), found.get(name) or (seen or {}).get(name)
        if last is not None and (reason := disruption(last)):
            disrupted.append(f"{name}: {reason}")
        elif (
            (pod is None or pod.metadata.deletion_timestamp)
            and name not in cleaned
            and _ended_first(events[name], ends)
        ):
            deleted.append(f"{name}: deleted, or its node was lost")
    # With one that says why, the others go before the operator has said that it deletes them.
    return disrupted or deleted


def own_failure(kind: Kind, pod: V1Pod) -> V1ContainerStateTerminated | None:
    """How a pod's main container failed, if it did so by itself."""
    if disruption(pod) or pod.metadata.deletion_timestamp:
        return None
    states = [one.state.terminated for one in pod.status.container_statuses or [] if one.name == kind.container]
    return next((state for state in states if state is not None and state.exit_code != 0), None)


def disruption(pod: V1Pod) -> str | None:
    """Why the cluster takes a pod away: preempted, evicted, drained, its node shut down or lost."""
    if pod.status.reason in TAKEN_AWAY:
        return f"{pod.status.reason} {pod.status.message or ''}".strip()
    for condition in pod.status.conditions or []:
        if condition.type == "DisruptionTarget" and condition.status == "True":
            return f"{condition.reason} {condition.message or ''}".strip()
    return None


def names_above(kind: Kind, name: str) -> list[str]:
    """Of a resource, and of what its controller makes that has pods: whose events tell of the pods."""
    return [name, f"{name}-node-0"] if kind is TRAIN_JOB else [name]


def pod_count(kind: Kind, resource: Mapping[str, Any]) -> int:
    """How many pods a resource needs to run."""
    if kind is TRAIN_JOB:
        return int(resource["spec"]["trainer"]["numNodes"])
    return len(expected_pods(kind, resource))


def expected_pods(
    kind: Kind, resource: Mapping[str, Any], above: Iterable[Event] = (), seen: Iterable[str] = ()
) -> list[str]:
    """Names of the pods without which the resource fails. Executors are Spark's own matter.

    A TrainJob's are those that were ``seen``, or that the events ``above`` them say to have been made.
    """
    name = resource["metadata"]["name"]
    if kind is TRAIN_JOB:
        made = {event.message.rpartition(" ")[2] for event in above if event.reason == _CREATED}
        return sorted({*made, *seen})
    if kind is SPARK_APPLICATION:
        return [((resource.get("status") or {}).get("driverInfo") or {}).get("podName") or f"{name}-driver"]
    return list(_replicas(name, resource["spec"]["pytorchReplicaSpecs"]))


def _replicas(name: str, specs: Mapping[str, Any]) -> Iterator[str]:
    for role, spec in specs.items():
        yield from (f"{name}-{role.lower()}-{index}" for index in range(spec.get("replicas", 1)))


def _is_of_a_pod(kind: Kind, said: str) -> bool:
    words = _A_POD_FAILED[kind.kind]
    return said.startswith(words) if kind is SPARK_APPLICATION else any(each in said for each in words)


def _is_cleaning(event: Event, resource: Mapping[str, Any]) -> bool:
    """Whether an operator deleted a pod after the resource's end, and not when a queue suspended it."""
    ended = (resource.get("status") or {}).get("completionTime")
    is_after = event.last is None or ended is None or event.last >= datetime.fromisoformat(ended)
    return event.reason in _CLEANED and is_after


def _ended_first(events: Iterable[Event], others_failed_at: list[datetime]) -> bool:
    """Whether a pod that is gone was told to end before any other one failed by itself.

    A failure is in the pod's phase, where the operator sees it, more than a second after the container's end: what is
    deleted in the same second was deleted for another reason.
    """
    if not others_failed_at:
        return True
    killed = [event.at for event in events if event.reason == "Killing" and event.at is not None]
    return any(at <= min(others_failed_at) for at in killed)
