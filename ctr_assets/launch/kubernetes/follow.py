"""Waiting for a custom resource to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.failure import events_above, explain, is_over_quota
from ctr_assets.launch.kubernetes.lost import pod_count
from ctr_assets.launch.kubernetes.sight import Witness
from ctr_assets.launch.kubernetes.state import Observation, Phase, occupied_seconds

POLL_SECONDS: Final = 1.5
"""Pause between two looks: a finished job is seen within three seconds."""


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
    witness = Witness(client, name, uid)

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(f"{what} {text}")

    while True:
        at_each_look()
        seen = witness.look()
        if seen is None:
            return Ending(f"{what} was deleted by someone else while the run waited for it")
        if seen.unknown:
            warn_once(
                f"says what this code does not know: {seen.unknown}. "
                f"Unless it runs or ends, it is waited for up to the pending limit of {pending_limit_seconds:.0f} s"
            )
        if seen.phase.is_terminal:
            return _ending(witness, seen, what)
        if seen.phase is Phase.RUNNING or _is_suspended(witness.resource):
            seen_well = time.monotonic()
        elif time.monotonic() - seen_well > pending_limit_seconds:
            if not _is_held_back(witness):
                return _still_pending(witness, seen, pending_limit_seconds)
            warn_once("has no room for its pods in the namespace's quota; it is waited for")
            seen_well = time.monotonic()
        time.sleep(POLL_SECONDS)


def _ending(witness: Witness, seen: Observation, what: str) -> Ending:
    seconds = occupied_seconds(witness.resource)
    if seen.phase is Phase.SUCCEEDED:
        if witness.client.kind.child is not None and not witness.has_child:
            never = "it is Complete without having run: by what an earlier one of its name had come to"
            return Ending(f"{what}: {never}", (never,), seconds=seconds)
        return Ending(seconds=seconds)
    told = explain(witness, seen.state, seen.message)
    return Ending(told.text, told.lost, told.leads, is_over_quota(seen.message), seconds)


def _still_pending(witness: Witness, seen: Observation, pending_limit_seconds: float) -> Ending:
    state = f"{seen.state} (not known to this code)" if seen.phase is Phase.UNKNOWN else seen.state
    waited = f"still {state} after the pending limit of {pending_limit_seconds:.0f} s"
    return Ending(explain(witness, waited, seen.message).text)


def _is_suspended(resource: dict[str, Any]) -> bool:
    """A queue holds it back on purpose: no limit on that."""
    spec = resource["spec"]
    return bool(spec.get("suspend") or (spec.get("runPolicy") or {}).get("suspend"))


def _is_held_back(witness: Witness) -> bool:
    """Whether pods of it are missing because they are over a quota."""
    if len(witness.client.pods(witness.name)) >= pod_count(witness.client.kind, witness.resource):
        return False
    events = events_above(witness.client, witness.name)
    return any(is_over_quota(event.message) for each in events.values() for event in each)
