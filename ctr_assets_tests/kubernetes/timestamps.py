"""Times as the API writes them."""

import time
from datetime import UTC, datetime


def now(later_seconds: float = 0) -> str:
    """RFC 3339, whole seconds."""
    return datetime.fromtimestamp(time.time() + later_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """RFC 3339, microseconds: what the scheduler's events carry."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanosecond_stamp(time_ns: int) -> str:
    """RFC 3339, nanoseconds: the stamp of a log line."""
    whole = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{time_ns % 1_000_000_000:09d}Z"


def parse_nanoseconds(stamp: str) -> int:
    """The inverse; the fraction may be missing. Raises ValueError."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    seconds = int(datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
