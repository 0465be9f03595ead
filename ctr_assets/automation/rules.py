"""The words of the landing watch: how to look, where a delivery stands, what is to be run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class WaitFor(StrEnum):
    """What says that a delivery is complete."""

    SETTLED = "settled"
    """It has been the same for ``settle_seconds``."""
    SUCCESS_MARKER = "success_marker"
    """``_SUCCESS`` was written, and no file after it. Archives have no folder of their own: they settle."""


@dataclass(frozen=True)
class WatchRules:
    """How to look: ``budget_seconds`` is when to stop listing, ``days`` are the graph's so far, oldest first."""

    days: Sequence[str]
    wait_for: WaitFor = WaitFor.SETTLED
    settle_seconds: float = 30
    budget_seconds: float = 20


@dataclass(frozen=True)
class DaysToRun:
    """Days to run together, from ``first`` to ``last``, and why. Equal content has an equal ``run_key``."""

    first: str
    last: str
    run_key: str
    why: str


class State(StrEnum):
    """Where the delivery of a day, or the set of archives, stands."""

    EMPTY = "empty"
    KNOWN = "known"
    GROWING = "still growing"
    SETTLED = "settled"
    NOT_LOOKED_AT = "not looked at yet"
