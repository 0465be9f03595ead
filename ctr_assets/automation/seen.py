"""What one look at the landing zone found, in a sentence: what a tick says when it runs nothing."""

from collections.abc import Mapping, Sequence
from typing import Final

from ctr_assets.automation.rules import State, WaitFor, WatchRules
from ctr_assets.landing.names import DAY_FOLDER
from ctr_assets.landing.zone import Delivery, Folders

_NAMED_IN_A_MESSAGE: Final = 5


def describe(
    states: Mapping[str, State],
    archives: State,
    folders: Folders,
    deliveries: Mapping[str, Delivery],
    rules: WatchRules,
    goes_on: bool,
) -> str:
    """What a look found, for people; ``goes_on``: it stopped before its end."""
    known = sum(state is State.KNOWN for state in states.values())
    parts = [f"{known} {'day' if known == 1 else 'days'} known"]
    growing = [day for day, state in states.items() if state is State.GROWING]
    if growing:
        named = "; ".join(
            f"{DAY_FOLDER}{day}" + (f", {_what_is_missing(deliveries[day], rules)}" if day in deliveries else "")
            for day in growing[:_NAMED_IN_A_MESSAGE]
        )
        parts.append(f"{len(growing)} still growing ({named}{_more(growing)})")
    if archives is State.GROWING:
        parts.append(f"the archives are still growing ({folders.archives}), all days wait for them")
    settled = [day for day, state in states.items() if state is State.SETTLED]
    if settled:
        parts.append(f"{len(settled)} settled ({', '.join(settled[:_NAMED_IN_A_MESSAGE])}{_more(settled)})")
    later = sum(state is State.NOT_LOOKED_AT for state in states.values())
    if later:
        parts.append(f"{later} not looked at yet")
    if goes_on:
        parts.append(f"stopped after {rules.budget_seconds:g} s, the next look goes on from there")
    outside = sorted(set(folders.days) - set(states))
    if outside:
        named = ", ".join(f"{DAY_FOLDER}{day}" for day in outside[:_NAMED_IN_A_MESSAGE])
        parts.append(f"no day of the graph: {named}{_more(outside)}")
    astray = [*folders.astray, *(folder for delivery in deliveries.values() for folder in delivery.astray)]
    if astray:
        named = ", ".join(map(str, astray[:_NAMED_IN_A_MESSAGE]))
        parts.append(f"not read, though it seems to be meant as a day's folder: {named}{_more(astray)}")
    return ", ".join(parts)


def _what_is_missing(delivery: Delivery, rules: WatchRules) -> str:
    if rules.wait_for is WaitFor.SUCCESS_MARKER:
        return f"{delivery}, " + ("a file is newer than its _SUCCESS" if delivery.markers else "no _SUCCESS yet")
    return str(delivery)


def _more(days: Sequence[object]) -> str:
    return f" and {len(days) - _NAMED_IN_A_MESSAGE} more" if len(days) > _NAMED_IN_A_MESSAGE else ""
