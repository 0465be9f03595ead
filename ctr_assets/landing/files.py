"""The delivered files of a landing zone that a job reads, and their bytes as they are stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import fsspec

from ctr_assets.landing.names import DAY_FOLDER, is_ignored, named_day


class LandingError(ValueError):
    """A delivered file, or the landing zone itself, cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class LandingFile:
    """A delivered file. ``day`` is set for a daily feed, None for an archive that may hold any day.

    ``path`` is the URL that messages name; ``size`` is in bytes.
    """

    path: str
    size: int
    day: str | None


def find_files(landing_url: str, days: list[str]) -> list[LandingFile]:
    """Files that may hold rows of ``days``: their daily feeds first, then every archive, each by path.

    That order decides which of two rows with the same id is kept. What ``names.is_ignored`` names is not looked at.
    Raises :class:`LandingError` when the whole landing zone holds no file.
    """
    fs, root = fsspec.url_to_fs(landing_url)
    found = fs.find(root, detail=True) if fs.exists(root) else {}
    feeds: list[LandingFile] = []
    archives: list[LandingFile] = []
    others = 0
    for path, info in sorted(found.items()):
        name = path[len(root) :].strip("/")
        if is_ignored(name):
            continue
        day = named_day(name)
        if day is not None and day not in days:
            others += 1
            continue
        (archives if day is None else feeds).append(LandingFile(fs.unstrip_protocol(path), info["size"], day))
    if not (feeds or archives or others):
        raise LandingError(
            f"The landing zone {landing_url} holds no file: put train.gz, a .csv or a .zip there, "
            f"or a daily feed under {DAY_FOLDER}YYYY-MM-DD/"
        )
    return feeds + archives


@contextmanager
def open_file(file: LandingFile) -> Iterator[IO[bytes]]:
    """The stored bytes of a delivered file, seekable."""
    with fsspec.open(file.path, "rb") as stream:
        yield stream


def has_marker(file: LandingFile, name: str) -> bool:
    """Whether an object of that name lies in the folder of a delivered file."""
    fs, path = fsspec.url_to_fs(file.path)
    return bool(fs.exists(f"{path.rsplit('/', 1)[0]}/{name}"))
