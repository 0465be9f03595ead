"""Days as the partitions name them, YYYY-MM-DD. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator


def shift(day: str, by: int) -> str:
    """The calendar day ``by`` days after ``day``; before it where ``by`` is negative."""
    return str(date.fromisoformat(day) + timedelta(days=by))


def is_day(text: str) -> bool:
    """Whether a text is a day of this century as the partitions write it, YYYY-MM-DD.

    The log writes an hour with a two-digit year. ``20141021`` and ``2014-W43-2`` are ISO too, but no partition is named
    so.
    """
    try:
        return text.startswith("20") and str(date.fromisoformat(text)) == text
    except ValueError:
        return False


def real_day(text: str) -> str:
    """``text`` if it :func:`is_day`. Raises ValueError."""
    if not is_day(text):
        raise ValueError("expected a day of the calendar, written YYYY-MM-DD, from 2000-01-01 to 2099-12-31")
    return text


def consecutive(days: Sequence[str]) -> Sequence[str]:
    """``days`` if each is the day after the one before. Raises ValueError that names the first that is not."""
    for before, day in pairwise(days):
        if day != shift(before, 1):
            raise ValueError(f"expected days in order without gaps, but {day} comes after {before}")
    return days


Day = Annotated[str, AfterValidator(real_day)]
Days = Annotated[list[Day], AfterValidator(consecutive)]
