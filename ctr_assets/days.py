"""Days as the partitions name them, YYYY-MM-DD. Pure."""

from datetime import date, timedelta


def shift(day: str, by: int) -> str:
    """The calendar day ``by`` days after ``day``; before it where ``by`` is negative."""
    return str(date.fromisoformat(day) + timedelta(days=by))


def is_day(text: str) -> bool:
    """Whether a text is a calendar day in the one form that partitions have."""
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False
