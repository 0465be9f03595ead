"""The week before a day: what a day is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ctr_assets.days import shift
from ctr_assets.storage import Manifest, Store, UnreadableError

T = TypeVar("T")

TRAILING_DAYS: Final = 7


@dataclass(frozen=True)
class TrailingWeek(Generic[T]):
    """What was read of each day, newest first. ``left_out`` ends a message: the days that cannot be read, and why."""

    days: list[T]
    left_out: str


def trailing_week(store: Store, table: str, day: str, read: Callable[[Manifest], T]) -> TrailingWeek[T]:
    """``read`` of those of the seven days before ``day`` that hold rows. A damaged day is left out and told."""
    found, damaged = [], []
    for back in range(1, TRAILING_DAYS + 1):
        before = shift(day, -back)
        try:
            manifest = store.find(table, before)
            if manifest is not None and manifest.rows:
                found.append(read(manifest))
        except UnreadableError as e:
            damaged.append(f"; {before} is left out: {e}")
    return TrailingWeek(found, "".join(damaged))
