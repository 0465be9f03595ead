"""Splits a number of impressions over days and hours in the published proportions; days outside the ten published
ones repeat them in a cycle."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.published import FIRST_PUBLISHED_DAY, published

MAX_ROWS = 10_000_000_000
"""Ten billion impressions are 1.5 TB of CSV; counts of more than 2**53 would not be exact."""
CENTURY = range(2000, 2100)
"""The log writes an hour with a two-digit year."""


class Drift(StrEnum):
    """How days differ from one another, and so how fast a model ages."""

    NONE = "none"
    """Every day is like the first: its volume, its click rate, its values, its effects."""
    PUBLISHED = "published"
    """Volumes, click rates and new values as in the published log; the effect of a value stays what it is."""
    FAST = "fast"
    """As published, and the effects turn into those of another click model by TURN a day."""


TURN = np.pi / 60
"""Three degrees a day: after 30 days nothing is left of the effects (but those of the published click rates)."""


@dataclass(frozen=True)
class DayPlan:
    """One day of traffic.

    Attributes:
        day: the UTC date.
        age_days: days since 2014-10-21, by which values appear; negative before it; 0 without drift.
        hourly_rows: shape (24,), impressions of each hour.
        click_rate: expected clicks per impression.
        turn: how far the effects have turned into another click model's, in radians.
    """

    day: date
    age_days: int
    hourly_rows: NDArray[np.int64]
    click_rate: float
    turn: float = 0.0

    @property
    def rows(self) -> int:
        """Impressions of the day."""
        return int(self.hourly_rows.sum())


def split_rows(rows: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers that add up to `rows`, each less than one away from its proportional share.

    Args:
        rows: the total, >= 0.
        weights: shape (n,), non-negative, not all zero.
    """
    edges = np.cumsum(weights, dtype=np.float64) / float(weights.sum())
    edges[-1] = 1.0
    ends = np.floor(edges * rows + 0.5).astype(np.int64)
    return np.diff(ends, prepend=0)


def plan_days(rows: int, first_day: date, days: int, drift: Drift = Drift.PUBLISHED) -> list[DayPlan]:
    """The plan of each day, in date order.

    Args:
        rows: impressions over all days, 1 to MAX_ROWS.
        first_day: first UTC date; all days are of CENTURY.
        days: number of consecutive days, >= 1.
        drift: how they differ.

    Raises:
        ValueError: an argument is out of range.
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}: ask for at least 1 impression")
    if rows > MAX_ROWS:
        raise ValueError(f"rows is {rows}: ask for at most {MAX_ROWS:,} impressions")
    if days < 1:
        raise ValueError(f"days is {days}: ask for at least 1 day")
    if first_day.year not in CENTURY or days > (date(CENTURY.stop, 1, 1) - first_day).days:
        raise ValueError(f"{days} days from {first_day} are not all of 2000 to 2099, as the log's two-digit years are")
    figures = published()
    dates = [first_day + timedelta(days=offset) for offset in range(days)]
    ages = [0 if drift is Drift.NONE else (day - FIRST_PUBLISHED_DAY).days for day in dates]
    cycle = np.array(ages) % len(figures.daily_rows)
    plans = []
    for day, age, position, day_rows in zip(
        dates, ages, cycle, split_rows(rows, figures.daily_rows[cycle]), strict=True
    ):
        # Only the 21st has its hours published completely; the other days take the profile of all ten days.
        profile = figures.hourly_rows_first_day if position == 0 else figures.hourly_rows
        turn = TURN * age if drift is Drift.FAST else 0.0
        click_rate = float(figures.daily_click_rate[position])
        plans.append(DayPlan(day, age, split_rows(int(day_rows), profile), click_rate, turn))
    return plans
