"""Waiting for a custom resource to end, and saying why it failed in words that a person can act on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import ResourceClient, brief, message_of
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION
from ctr_assets.launch.kubernetes.state import Observation, Phase, observe_pytorch_job, observe_spark_application

POLL_SECONDS: Final = 1.5
"""Pause between two looks: a finished job is seen within three seconds."""
LOG_TAIL_LINES: Final = 20
EVENTS_SHOWN: Final = 8

_OBSERVERS: Final[dict[str, Callable[[Any], Observation]]] = {
    SPARK_APPLICATION.kind: observe_spark_application,
    PYTORCH_JOB.kind: observe_pytorch_job,
}


@dataclass(frozen=True)
class Ending:
    """How a resource ended. ``failure`` is None for success, else what went wrong, with events and the log's tail."""

    failure: str | None


def follow(
    client: ResourceClient, name: str, uid: str, pending_limit_seconds: float, warn: Callable[[str], None]
) -> Ending:
    """Wait until the resource ends, vanishes, or has not been seen to run for longer than the limit.

    ``warn`` is told once of each state that this code does not know. Raises ApiException or urllib3's HTTPError when
    the API server refuses, or was away for longer than the client's patience.
    """
    seen_well, told = time.monotonic(), set[str]()
    while True:
        resource = client.get(name)
        if resource is None or resource["metadata"]["uid"] != uid:
            return Ending(
                f"{client.kind.kind} {client.namespace}/{name} was deleted by someone else while the run waited for it"
            )
        seen = _OBSERVERS[client.kind.kind](resource)
        if seen.unknown and seen.unknown not in told:
            told.add(seen.unknown)
            warn(
                f"{client.kind.kind} {client.namespace}/{name} says what this code does not know: {seen.unknown}. "
                f"Unless it runs or ends, it is waited for up to the pending limit of {pending_limit_seconds:.0f} s"
            )
        if seen.phase is Phase.SUCCEEDED:
            return Ending(None)
        if seen.phase is Phase.FAILED:
            return Ending(explain(client, name, f"{seen.state}: {seen.message}"))
        if seen.phase is Phase.RUNNING or _is_suspended(resource):
            seen_well = time.monotonic()
        elif time.monotonic() - seen_well > pending_limit_seconds:
            state = f"{seen.state} (not known to this code)" if seen.phase is Phase.UNKNOWN else seen.state
            waited = f"still {state} after the pending limit of {pending_limit_seconds:.0f} s"
            return Ending(explain(client, name, f"{waited}: {seen.message}" if seen.message else waited))
        time.sleep(POLL_SECONDS)


def explain(client: ResourceClient, name: str, what: str) -> str:
    """An error text: what the operator says, the exit of the main container, the cluster's events, the log's tail.

    What cannot be read, as the log on a node that is lost, is said in its place: it must not hide what went wrong.
    """
    lines = [f"{client.kind.kind} {client.namespace}/{name} {what}"]
    try:
        lines += _circumstances(client, name)
    except (ApiException, urllib3.exceptions.HTTPError) as e:
        lines.append(f"No more can be read of it: {brief(e)}")
    return "\n".join(lines)


def _circumstances(client: ResourceClient, name: str) -> Iterator[str]:
    pod = client.main_pod(name)
    if pod is None:
        yield "Its main pod is gone, and its log with it: it was deleted or its node was lost."
    else:
        yield from (f"Pod {pod.metadata.name}: {text}" for text in _container_states(pod))
    names = dict.fromkeys([name, *([pod.metadata.name] if pod else [])])
    events = [event for each in names for event in client.events(each)]
    if events:
        yield from ("Events:", *(f"  {event}" for event in dict.fromkeys(events[-EVENTS_SHOWN:])))
    if pod is not None and (tail := client.log_tail(pod.metadata.name, LOG_TAIL_LINES)):
        yield from (f"Last lines of its log ({pod.metadata.name}):", *(f"  {line}" for line in tail))


def explain_loss(client: ResourceClient, name: str, error: Exception) -> str:
    """Why a resource that was being followed cannot be followed any more."""
    cause = f"{brief(error)}: {message_of(error) if isinstance(error, ApiException) else error}"
    return f"{client.kind.kind} {client.namespace}/{name} cannot be followed any more ({cause})"


def explain_refusal(client: ResourceClient, name: str, error: ApiException) -> str:
    """Why the API server did not take a resource: a 403 has three senders, told apart by the message alone."""
    message = message_of(error)
    if "admission webhook" in message:
        hint = "the operator's webhook refuses it: mend what it names"
    elif "exceeded quota" in message:
        hint = "the namespace's quota is used up: wait, or raise it"
    elif error.status == 403:
        hint = "the run worker's service account lacks the right: apply deploy/kustomize"
    elif error.status == 404:
        hint = f"the cluster knows no {client.kind.kind}: install its operator"
    else:
        hint = "the manifest does not fit the cluster's version of the operator"
    return f"{client.kind.kind} {client.namespace}/{name} was refused (HTTP {error.status}): {message}; {hint}"


def _container_states(pod: Any) -> list[str]:
    told = []
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            told.append(f"not scheduled: {condition.message}")
    for container in pod.status.container_statuses or []:
        state = container.state
        if state.waiting is not None:
            told.append(f"{container.name} waits: {state.waiting.reason} {state.waiting.message or ''}".rstrip())
        if state.terminated is not None:
            ended = state.terminated
            told.append(f"{container.name} ended with exit code {ended.exit_code}, {ended.reason}")
    return told


def _is_suspended(resource: dict[str, Any]) -> bool:
    """A queue holds it back on purpose: no limit on that."""
    spec = resource["spec"]
    return bool(spec.get("suspend") or (spec.get("runPolicy") or {}).get("suspend"))
