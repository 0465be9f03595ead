"""The days of the graph, UTC, and the trailing window of the models."""

from typing import Final

import dagster as dg

from ctr_assets.days import shift
from ctr_assets.defs import SETTINGS

FIRST_DAY: Final = SETTINGS.first_day
LAST_DAY: Final = SETTINGS.last_day
"""``open`` for a live feed, one more day every day; else by default Kaggle's unlabelled test day."""

WINDOW_DAYS: Final = 10
"""Days of impressions a model is trained on: all the labelled days of the published data."""


def day_after(day: str) -> str:
    """The calendar day after ``day``, whether the graph has it or not."""
    return shift(day, 1)


daily: Final = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY,
    end_date=None if LAST_DAY == "open" else day_after(LAST_DAY),
    timezone="UTC",
)

previous_day: Final = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
)
trailing_window: Final = dg.TimeWindowPartitionMapping(
    start_offset=-(WINDOW_DAYS - 1), end_offset=0, allow_nonexistent_upstream_partitions=True
)
trailing_window_and_next_day: Final = dg.TimeWindowPartitionMapping(
    start_offset=-(WINDOW_DAYS - 1), end_offset=1, allow_nonexistent_upstream_partitions=True
)


def first_and_last_day() -> tuple[str, str]:
    """The days that the graph begins and, so far, ends with."""
    keys = daily.get_partition_keys()
    return keys[0], keys[-1]


def day_before(day: str) -> str | None:
    """The partition before ``day``, None for the first."""
    return None if day <= FIRST_DAY else shift(day, -1)


def window_of(day: str) -> list[str]:
    """The days that a model of ``day`` is trained on, oldest first: at most ``WINDOW_DAYS``, none before the first."""
    days = [shift(day, -back) for back in range(WINDOW_DAYS)]
    return sorted(d for d in days if d >= FIRST_DAY)
