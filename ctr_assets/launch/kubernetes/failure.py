"""Why a resource failed, in words that a person can act on: what failed first comes first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import urllib3
from kubernetes.client import V1Pod
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import Event, ResourceClient, brief, message_of
from ctr_assets.launch.kubernetes.lost import expected_pods, lost_pods, names_above, own_failure
from ctr_assets.launch.kubernetes.sight import Witness

LOG_TAIL_LINES: Final = 20
EVENTS_SHOWN: Final = 8
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Explanation:
    """Why a resource failed. ``leads``: a pod other than the one that reports failed first.

    ``lost`` is what took its pods away, empty where it failed by itself.
    """

    text: str
    leads: bool = False
    lost: tuple[str, ...] = ()


def events_above(client: ResourceClient, name: str) -> dict[str, list[Event]]:
    """What the cluster says of a resource, and of what its controller made that has pods, by its name."""
    return {each: client.events(each) for each in names_above(client.kind, name)}


def explain(witness: Witness, state: str, said: str = "") -> Explanation:
    """What the operator says, the exits of the containers, the cluster's events, the tails of the logs.

    What cannot be read, as the log on a node that is lost, is said in its place: it must not hide what went wrong.
    """
    client, resource, name = witness.client, witness.resource, witness.name
    lines, leads, lost = [f"{client.kind.kind} {client.namespace}/{name} {state}{said and ': '}{said}"], False, []
    try:
        pods = client.pods(name)
        events = events_above(client, name)
        above = [event for each in events.values() for event in each]
        below = expected_pods(client.kind, resource, above, witness.pods)
        events |= {each: client.events(each) for each in below}
        lost = lost_pods(client.kind, resource, said, pods, events, witness.pods)
        shown = _shown(client, pods)
        leads = bool(shown) and not client.is_main(shown[0])
        lines += _circumstances(client, shown, events)
    except (ApiException, urllib3.exceptions.HTTPError) as e:
        lines.append(f"No more can be read of it: {brief(e)}")
    return Explanation("\n".join(lines), leads, tuple(lost))


def _shown(client: ResourceClient, pods: list[V1Pod]) -> list[V1Pod]:
    """The pod that failed first by itself, then the main one: it shows what the others' end did to it."""
    failed = [pod for pod in pods if own_failure(client.kind, pod)]
    # Containers' times are whole seconds; a log's stamps tell which of two said its last word first.
    first = (
        min(failed, key=lambda pod: _end_of(client, pod), default=None) if len(failed) > 1 else next(iter(failed), None)
    )
    main = next((pod for pod in pods if client.is_main(pod)), None)
    return list({pod.metadata.name: pod for pod in (first, main) if pod is not None}.values())


def _end_of(client: ResourceClient, pod: V1Pod) -> tuple[datetime, str]:
    ended, tail = own_failure(client.kind, pod), client.log_tail(pod.metadata.name, 1)
    return (ended.finished_at if ended else None) or _NEVER, tail[-1].partition(" ")[0] if tail else ""


def _circumstances(client: ResourceClient, shown: list[V1Pod], events: dict[str, list[Event]]) -> Iterator[str]:
    for pod in shown:
        yield from (f"Pod {pod.metadata.name}: {text}" for text in _container_states(pod))
    if not shown:
        yield "Its main pod is gone, and its log with it: it was deleted or its node was lost."
    in_order = sorted((event for each in events.values() for event in each), key=lambda event: event.at or _NEVER)
    told = dict.fromkeys(map(str, in_order))
    if told:
        yield from ("Events:", *(f"  {event}" for event in list(told)[-EVENTS_SHOWN:]))
    for pod in shown:
        if tail := client.log_tail(pod.metadata.name, LOG_TAIL_LINES):
            lines = (line.partition(" ")[2] for line in tail)
            yield from (f"Last lines of its log ({pod.metadata.name}):", *(f"  {line}" for line in lines))


def explain_loss(client: ResourceClient, name: str, error: Exception) -> str:
    """Why a resource that was being followed cannot be followed any more."""
    cause = f"{brief(error)}: {message_of(error) if isinstance(error, ApiException) else error}"
    return f"{client.kind.kind} {client.namespace}/{name} cannot be followed any more ({cause})"


def explain_refusal(client: ResourceClient, name: str, error: ApiException) -> str:
    """Why the API server did not take a resource: a 403 has three senders, told apart by the message alone."""
    message = message_of(error)
    if "admission webhook" in message:
        hint = "the operator's webhook refuses it: mend what it names"
    elif is_over_quota(message):
        hint = "the namespace's quota is used up: wait, or raise it"
    elif error.status == 403:
        hint = "the run worker's service account lacks the right: apply deploy/kustomize"
    elif error.status == 404:
        hint = f"the cluster knows no {client.kind.kind}: install its operator"
    else:
        hint = "the manifest does not fit the cluster's version of the operator"
    return f"{client.kind.kind} {client.namespace}/{name} was refused (HTTP {error.status}): {message}; {hint}"


def is_over_quota(message: str) -> bool:
    """Whether a refusal, or an event that tells of one, is for a quota that is used up."""
    return "exceeded quota" in message


def _container_states(pod: V1Pod) -> list[str]:
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
