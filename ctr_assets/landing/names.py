"""What the paths of the landing zone mean: which are looked at, and which day a path is for. Pure.

The job that reads the landing zone and the sensor that watches it share these rules.
"""

from typing import Final

DAY_FOLDER: Final = "day="
SUCCESS_MARKER: Final = "_SUCCESS"
"""Object that a producer (Spark, Hadoop) writes last, to say that a folder is complete."""

UNLABELLED_MARKER: Final = "_UNLABELLED"
"""Object beside files that lack the label column, to say that they are meant to, whatever columns they have besides."""


def is_ignored(path: str) -> bool:
    """Whether a path relative to the landing zone is not looked at: hidden files, markers, unfinished uploads.

    These are names, of files or of folders above them, that begin with ``.`` or ``_``, and files that end in ``.tmp``.
    """
    return path.endswith(".tmp") or any(part.startswith((".", "_")) for part in path.split("/"))


def named_day(path: str) -> str | None:
    """What the first ``day=`` folder of a file's relative path names; None for an archive, which may hold any day."""
    *folders, _ = path.split("/")
    return next((name.removeprefix(DAY_FOLDER) for name in folders if name.startswith(DAY_FOLDER)), None)
