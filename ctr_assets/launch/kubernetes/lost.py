"""Pods that the cluster took away, told apart from those that failed by themselves: pure functions of what is seen.

Held to recordings: an evicted pod carries the condition DisruptionTarget while it ends and is gone a second later; a
pod that is deleted leaves its kubelet's event Killing; and an operator says which pods it deletes itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from kubernetes.client import V1ContainerStateTerminated, V1Pod

from ctr_assets.launch.kubernetes.client import Event
from ctr_assets.launch.kubernetes.kinds import SPARK_APPLICATION, Kind

TAKEN_AWAY: Final = frozenset(
    {"Evicted", "NodeLost", "NodeShutdown", "Preempting", "Preempted", "Shutdown", "Terminated"}
)
"""Reasons in a pod's status: node pressure, a node that is silent or shuts down, a pod of higher priority."""

_A_POD_FAILED: Final = {"SparkApplication": "driver ", "PyTorchJob": "replica(s) failed"}
"""What the operators say where a pod made the resource fail, and not its submission or its deadline."""


def lost_pods(
    kind: Kind, resource: Mapping[str, Any], said: str, pods: Iterable[V1Pod], events: Mapping[str, Iterable[Event]]
) -> list[str]:
    """What took away the pods of a failed resource, one text each; empty where it failed by itself.

    ``said`` is the operator's message; ``events`` are by the name of the object that they are about: the resource, and
    each pod that it should have. A pod that was deleted after another one failed by itself is no cause: operators clean
    up.
    """
    if not _is_of_a_pod(kind, said):
        return []
    found = {pod.metadata.name: pod for pod in pods}
    ends = [end.finished_at for pod in found.values() if (end := own_failure(kind, pod)) and end.finished_at]
    of_resource = [event for event in events[resource["metadata"]["name"]] if _is_cleaning(event, resource)]
    cleaned = {event.message.rpartition(" ")[2] for event in of_resource}
    lost = []
    for name in expected_pods(kind, resource):
        pod = found.get(name)
        if pod is not None and (reason := disruption(pod)):
            lost.append(f"{name}: {reason}")
        elif (
            (pod is None or pod.metadata.deletion_timestamp)
            and name not in cleaned
            and _ended_first(events[name], ends)
        ):
            lost.append(f"{name}: deleted, or its node was lost")
    return lost


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


def expected_pods(kind: Kind, resource: Mapping[str, Any]) -> list[str]:
    """Names of the pods without which the resource fails. Executors are Spark's own matter."""
    name = resource["metadata"]["name"]
    if kind is SPARK_APPLICATION:
        return [((resource.get("status") or {}).get("driverInfo") or {}).get("podName") or f"{name}-driver"]
    return list(_replicas(name, resource["spec"]["pytorchReplicaSpecs"]))


def _replicas(name: str, specs: Mapping[str, Any]) -> Iterator[str]:
    for role, spec in specs.items():
        yield from (f"{name}-{role.lower()}-{index}" for index in range(spec.get("replicas", 1)))


def _is_of_a_pod(kind: Kind, said: str) -> bool:
    words = _A_POD_FAILED[kind.kind]
    return said.startswith(words) if kind is SPARK_APPLICATION else words in said


def _is_cleaning(event: Event, resource: Mapping[str, Any]) -> bool:
    """Whether an operator deleted a pod after the resource's end, and not when a queue suspended it."""
    ended = (resource.get("status") or {}).get("completionTime")
    is_after = event.last is None or ended is None or event.last >= datetime.fromisoformat(ended)
    return event.reason == "SuccessfulDeletePod" and is_after


def _ended_first(events: Iterable[Event], others_failed_at: list[datetime]) -> bool:
    """Whether a pod that is gone was told to end before any other one failed by itself.

    A failure is in the pod's phase, where the operator sees it, more than a second after the container's end: what is
    deleted in the same second was deleted for another reason.
    """
    if not others_failed_at:
        return True
    killed = [event.at for event in events if event.reason == "Killing" and event.at is not None]
    return any(at <= min(others_failed_at) for at in killed)
