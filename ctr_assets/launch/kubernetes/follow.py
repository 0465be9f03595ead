"""Waiting for a custom resource to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.failure import explain, is_over_quota
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION
from ctr_assets.launch.kubernetes.lost import expected_pods
from ctr_assets.launch.kubernetes.state import (
    Observation,
    Phase,
    observe_pytorch_job,
    observe_spark_application,
    occupied_seconds,
)

POLL_SECONDS: Final = 1.5
"""Pause between two looks: a finished job is seen within three seconds."""

_OBSERVERS: Final[dict[str, Callable[[Any], Observation]]] = {
    SPARK_APPLICATION.kind: observe_spark_application,
    PYTORCH_JOB.kind: observe_pytorch_job,
}


@dataclass(frozen=True)
class Ending:
    """How a resource ended. ``failure`` is None for success, else what went wrong, with events and the log's tail.

    ``lost``: what took its pods away, so that it is to be launched again. ``leads``: another pod than the main one
    failed first. ``is_over_quota``: there was no room for its pods. ``seconds``: from its creation to its end.
    """

    failure: str | None = None
    lost: tuple[str, ...] = ()
    leads: bool = False
    is_over_quota: bool = False
    seconds: float | None = None


def follow(
    client: ResourceClient,
    name: str,
    uid: str,
    pending_limit_seconds: float,
    warn: Callable[[str], None],
    at_each_look: Callable[[], None] = lambda: None,
) -> Ending:
    """Wait until the resource ends, vanishes, or has not been seen to run for longer than the limit.

    ``warn`` is told once of each state that this code does not know, and of a quota that holds its pods back.
    ``at_each_look`` may raise to stop the waiting. Raises ApiException or urllib3's HTTPError when the API server
    refuses, or was away for longer than the client's patience.
    """
    seen_well, told, what = time.monotonic(), set[str](), f"{client.kind.kind} {client.namespace}/{name}"

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(f"{what} {text}")

    while True:
        at_each_look()
        resource = client.get(name)
        if resource is None or resource["metadata"]["uid"] != uid:
            return Ending(f"{what} was deleted by someone else while the run waited for it")
        seen = _OBSERVERS[client.kind.kind](resource)
        if seen.unknown:
            warn_once(
                f"says what this code does not know: {seen.unknown}. "
                f"Unless it runs or ends, it is waited for up to the pending limit of {pending_limit_seconds:.0f} s"
            )
        if seen.phase.is_terminal:
            return _ending(client, resource, seen)
        if seen.phase is Phase.RUNNING or _is_suspended(resource):
            seen_well = time.monotonic()
        elif time.monotonic() - seen_well > pending_limit_seconds:
            if not _is_held_back(client, resource):
                return _still_pending(client, resource, seen, pending_limit_seconds)
            warn_once("has no room for its pods in the namespace's quota; it is waited for")
            seen_well = time.monotonic()
        time.sleep(POLL_SECONDS)


def _ending(client: ResourceClient, resource: dict[str, Any], seen: Observation) -> Ending:
    seconds = occupied_seconds(resource)
    if seen.phase is Phase.SUCCEEDED:
        return Ending(seconds=seconds)
    told = explain(client, resource, seen.state, seen.message)
    return Ending(told.text, told.lost, told.leads, is_over_quota(seen.message), seconds)


def _still_pending(
    client: ResourceClient, resource: dict[str, Any], seen: Observation, pending_limit_seconds: float
) -> Ending:
    state = f"{seen.state} (not known to this code)" if seen.phase is Phase.UNKNOWN else seen.state
    waited = f"still {state} after the pending limit of {pending_limit_seconds:.0f} s"
    return Ending(explain(client, resource, waited, seen.message).text)


def _is_suspended(resource: dict[str, Any]) -> bool:
    """A queue holds it back on purpose: no limit on that."""
    spec = resource["spec"]
    return bool(spec.get("suspend") or (spec.get("runPolicy") or {}).get("suspend"))


def _is_held_back(client: ResourceClient, resource: dict[str, Any]) -> bool:
    """Whether pods of it are missing because they are over a quota."""
    name = resource["metadata"]["name"]
    if len(client.pods(name)) >= len(expected_pods(client.kind, resource)):
        return False
    return any(is_over_quota(event.message) for event in client.events(name))
