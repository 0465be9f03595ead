"""What the names in the landing zone mean: which are looked at, which day a folder is of, which was meant to be. Pure.

The job that reads the landing zone and the sensor that watches it share these rules.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Final
from urllib.parse import unquote

DAY_FOLDER: Final = "day="
SUCCESS_MARKER: Final = "_SUCCESS"
"""Object that a producer (Spark, Hadoop) writes last, to say that a folder is complete."""

UNLABELLED_MARKER: Final = "_UNLABELLED"
"""Object beside files that lack the label column, to say that they are meant to, whatever columns they have besides."""

ANY_DAY: Final = f"{DAY_FOLDER}YYYY-MM-DD"
"""How the folder of a day is called."""

_KEY: Final = r"(?:days?|date|dt|ds)"
_PARTITION: Final = re.compile(rf"(?<!\w){_KEY}\s*=(?P<value>.*)", re.DOTALL)
"""Hive's ``key=value`` with a key that stands for the day, whatever the value is."""
_DATES: Final = tuple(
    re.compile(rf"(?<!\d){pattern}(?!\d)")
    for pattern in (
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)",
        r"(?P<y>\d{4})\D{1,3}(?P<m>\d\d?)\D{1,3}(?P<d>\d\d?)",
        r"(?P<d>\d\d?)\D{1,3}(?P<m>\d\d?)\D{1,3}(?P<y>\d{4})",
        r"(?P<m>\d\d?)\D{1,3}(?P<d>\d\d?)\D{1,3}(?P<y>\d{4})",
    )
)
_OTHERWISE: Final = re.compile(rf"\W*{_KEY}[\W_]*(?P<value>\d[\d\W_]*)")
"""A key and a date, and nothing else, joined by something else than an equals sign."""


def is_ignored(path: str) -> bool:
    """Whether a path relative to the landing zone is not looked at: hidden files, markers, unfinished uploads.

    These are names, of files or of folders above them, that begin with ``.`` or ``_`` or end in ``.tmp``.
    """
    return any(part.startswith((".", "_")) or part.endswith(".tmp") for part in path.split("/"))


def named_day(folder: str) -> str | None:
    """The day that the name of a folder says, YYYY-MM-DD; None for the folder of an archive, or a :func:`misspelt`."""
    day = folder.removeprefix(DAY_FOLDER)
    return day if folder != day and day in _days_in(day) else None


def misspelt(folder: str) -> str | None:
    """What a folder was to be called that was surely meant to be a day's, and is not; None for any other name.

    ``day=YYYY-MM-DD`` where the name does not tell which day was meant.
    """
    if named_day(folder) is not None:
        return None
    name = _plain(folder)
    partition, otherwise = _PARTITION.search(name), _OTHERWISE.fullmatch(name)
    found = partition or otherwise
    days = set(_days_in(found["value"])) if found else set()
    if partition is None and not days:
        return None
    return f"{DAY_FOLDER}{days.pop()}" if len(days) == 1 else ANY_DAY


def _plain(name: str) -> str:
    """Without what cannot be seen, in small letters, wide and foreign digits as ASCII, ``%3D`` as the sign it is."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", unquote(name)) if unicodedata.category(c)[0] != "C")
    return "".join(str(unicodedata.decimal(c, c)) for c in seen).casefold().strip()


def _days_in(text: str) -> Iterator[str]:
    """Every calendar day that ASCII text may name, YYYY-MM-DD."""
    for pattern in _DATES:
        for found in pattern.finditer(text):
            try:
                yield date(int(found["y"]), int(found["m"]), int(found["d"])).isoformat()
            except ValueError:
                continue  # no such day
