"""One look at the landing zone: what is new or changed, has settled, and is therefore to be run, oldest day first."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ctr_assets.automation.cursor import ARCHIVES, Cursor
from ctr_assets.automation.rules import DaysToRun, State, WaitFor, WatchRules
from ctr_assets.automation.seen import describe
from ctr_assets.landing.zone import Delivery, Folders, LandingZone

NO_FILE: Final = "empty"
"""Fingerprint of a day that nothing was delivered for and that a later day needs."""


@dataclass(frozen=True)
class Look:
    """What one look found. ``seen`` is a sentence for people."""

    to_run: list[DaysToRun]
    cursor: Cursor
    seen: str


def look(
    zone: LandingZone,
    rules: WatchRules,
    cursor: Cursor,
    with_vocabulary: Collection[str],
    *,
    now: float,
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Look at the landing zone once. ``now`` is in epoch seconds; ``cursor`` is changed and handed back.

    ``with_vocabulary`` are the days that a later day can continue: one that is not among them must be run before it,
    empty if nothing was delivered for it. Raises LandingZoneError, and then ``cursor`` is of no use.
    """
    deadline = clock() + rules.budget_seconds
    folders = zone.folders()
    inside = [day for day in rules.days if day in folders.days]
    deliveries: dict[str, Delivery] = {}
    start = next((i for i, day in enumerate(inside) if cursor.resume is not None and day >= cursor.resume), 0)
    cursor.resume = None
    for day in inside[start:] + inside[:start]:
        if deliveries and clock() > deadline:
            cursor.resume = day
            break
        deliveries[day] = zone.delivery(folders.days[day])
    states = {
        day: _state(day, deliveries.get(day), rules, cursor, now) if day in folders.days else State.EMPTY
        for day in rules.days
    }
    archives = _state(ARCHIVES, folders.archives, rules, cursor, now)
    to_run = _plan(states, archives, folders, deliveries, cursor, with_vocabulary)
    for run in to_run:
        for day in rules.days:
            if run.first <= day <= run.last:
                cursor.growing.pop(day, None)
    _forget_other_days(cursor, rules.days)
    return Look(to_run, cursor, describe(states, archives, folders, deliveries, rules, bool(cursor.resume)))


def _state(key: str, delivery: Delivery | None, rules: WatchRules, cursor: Cursor, now: float) -> State:
    """Where a delivery stands, remembering in the cursor since when it has been as it is."""
    if delivery is None:
        if key in cursor.growing:
            return State.GROWING
        return State.KNOWN if key in cursor.requested else State.NOT_LOOKED_AT
    if not delivery.files:
        cursor.growing.pop(key, None)
        return State.EMPTY
    found = delivery.fingerprint
    if cursor.requested.get(key) == found:
        cursor.growing.pop(key, None)
        return State.KNOWN
    before, since = cursor.growing.get(key, ("", now))
    if before != found or since > now:
        before, since = "", now
    cursor.growing[key] = (found, since)
    if rules.wait_for is WaitFor.SUCCESS_MARKER and key != ARCHIVES:
        return State.SETTLED if delivery.is_marked_complete else State.GROWING
    return State.SETTLED if before and now - since >= rules.settle_seconds else State.GROWING


def _plan(
    states: Mapping[str, State],
    archives: State,
    folders: Folders,
    deliveries: Mapping[str, Delivery],
    cursor: Cursor,
    with_vocabulary: Collection[str],
) -> list[DaysToRun]:
    if archives is State.GROWING:
        return []  # every run reads the archives: half of one would fail it
    unfinished = {State.GROWING, State.NOT_LOOKED_AT}
    if archives is State.SETTLED and states and unfinished.isdisjoint(states.values()):
        return [_archives_run(list(states), folders.archives, deliveries, cursor)]
    return list(_day_runs(states, deliveries, cursor, with_vocabulary, unfinished))


def _archives_run(
    days: Sequence[str], archives: Delivery, deliveries: Mapping[str, Delivery], cursor: Cursor
) -> DaysToRun:
    """An archive may hold any day: one run of them all, which reads the daily feeds too."""
    for day in days:
        if day in deliveries and deliveries[day].files:
            cursor.requested[day] = deliveries[day].fingerprint
        else:
            cursor.requested.setdefault(day, NO_FILE)
    change = "changed" if ARCHIVES in cursor.requested else "new"
    cursor.requested[ARCHIVES] = archives.fingerprint
    cursor.growing.pop(ARCHIVES, None)
    why = f"{change} archives, which may hold any day ({archives})"
    return DaysToRun(days[0], days[-1], f"{ARCHIVES}:{archives.fingerprint}", why)


def _day_runs(
    states: Mapping[str, State],
    deliveries: Mapping[str, Delivery],
    cursor: Cursor,
    with_vocabulary: Collection[str],
    unfinished: Collection[State],
) -> Iterator[DaysToRun]:
    """Settled days, oldest first, each after the days without a delivery that it needs.

    A day whose earlier day is still on its way waits: its vocabulary continues the earlier one's.
    """
    gaps: list[str] = []
    for day, state in states.items():
        is_there = day in with_vocabulary or day in cursor.requested
        if state is State.SETTLED:
            for gap in gaps:
                cursor.requested[gap] = NO_FILE
                yield DaysToRun(gap, gap, f"{gap}:{NO_FILE}", f"nothing was delivered for it, and {day} continues it")
            gaps = []
            delivery = deliveries[day]
            change = "changed" if cursor.requested.get(day, NO_FILE) != NO_FILE else "new"
            cursor.requested[day] = delivery.fingerprint
            yield DaysToRun(day, day, f"{day}:{delivery.fingerprint}", f"{change} delivery ({delivery})")
        elif state in unfinished and not is_there:
            return
        elif state is State.EMPTY and not is_there:
            gaps.append(day)


def _forget_other_days(cursor: Cursor, days: Sequence[str]) -> None:
    kept = {*days, ARCHIVES}
    cursor.requested = {key: value for key, value in cursor.requested.items() if key in kept}
    cursor.growing = {key: value for key, value in cursor.growing.items() if key in kept}
