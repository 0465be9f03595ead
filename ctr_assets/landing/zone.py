"""What is in the landing zone: the days, the archives, and the folders that are neither, each with its files.

The job that reads the landing zone and the sensor that watches it look at it through this one walk.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ctr_assets.landing.errors import LandingZoneError, shown, told
from ctr_assets.landing.listing import SeenFile, listing_of
from ctr_assets.landing.names import ANY_DAY, DAY_FOLDER, SUCCESS_MARKER, misspelt, named_day
from ctr_assets.storage import fingerprint

FINGERPRINT_DIGITS: Final = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits tell the deliveries of one day apart."""


@dataclass(frozen=True)
class Astray:
    """A folder with files that was surely meant to be a day's, and is not read: its name, or its place, is wrong.

    ``right`` is how it should be called, ``day=YYYY-MM-DD`` where that cannot be told. ``within``: the folder of
    another day that it lies in.
    """

    path: str
    right: str
    within: str | None = None

    @property
    def day(self) -> str | None:
        """The day that was meant, None where that cannot be told."""
        return None if self.right == ANY_DAY else self.right.removeprefix(DAY_FOLDER)

    def __str__(self) -> str:
        todo = f"move it out of {shown(self.within)} and call it" if self.within else "call it"
        return f"{shown(self.path)} ({todo} {self.right})"


@dataclass(frozen=True)
class Delivery:
    """The files that belong together: those of one day, or all archives. ``markers`` are their ``_SUCCESS``."""

    files: tuple[SeenFile, ...] = ()
    markers: tuple[SeenFile, ...] = ()
    astray: tuple[Astray, ...] = ()

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over path, size and identity of every file."""
        return fingerprint(sorted((f.path, f.size, f.identity) for f in self.files))[:FINGERPRINT_DIGITS]

    @property
    def is_marked_complete(self) -> bool:
        """Whether a marker was written, and no file after the last one."""
        newest = max((file.modified for file in self.files), default=0.0)
        return any(marker.modified >= newest for marker in self.markers)

    def __str__(self) -> str:
        size = sum(file.size for file in self.files)
        return f"{len(self.files)} {'file' if len(self.files) == 1 else 'files'}, {_readable(size)}"


@dataclass(frozen=True)
class Folders:
    """One look at the landing zone without its day folders: the archives, and where each named day's folders are."""

    days: Mapping[str, tuple[str, ...]]
    archives: Delivery
    astray: tuple[Astray, ...] = ()


class LandingZone:
    """A landing zone to be listed. Every method raises :class:`LandingZoneError` where it cannot look."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for a URL that is of no place."""
        self.url = url
        self._listing = listing_of(url)

    def url_of(self, path: str) -> str:
        return f"{self._listing.base}{path}"

    def folders(self) -> Folders:
        """List everything but the day folders. Starts a look."""
        self._listing = listing_of(self.url)
        days: dict[str, list[str]] = {}
        astray: list[Astray] = []
        files: list[SeenFile] = []
        waiting = [""]
        while waiting:
            for entry in self._list(waiting.pop()):
                if isinstance(entry, SeenFile):
                    files.extend(() if _is_marker(entry) else (entry,))
                elif day := named_day(_name(entry)):
                    days.setdefault(day, []).append(entry)
                elif right := misspelt(_name(entry)):
                    astray.extend(self._astray(entry, right))
                else:
                    waiting.append(entry)
        return Folders(
            {day: tuple(sorted(paths)) for day, paths in days.items()}, Delivery(tuple(files)), tuple(astray)
        )

    def delivery(self, folders: Iterable[str]) -> Delivery:
        """Everything below the folders of a day. A folder that has gone is an empty one."""
        files: list[SeenFile] = []
        markers: list[SeenFile] = []
        astray: list[Astray] = []
        for folder in folders:
            waiting = [folder]
            while waiting:
                for entry in self._list(waiting.pop()):
                    if isinstance(entry, SeenFile):
                        (markers if _is_marker(entry) else files).append(entry)
                    elif (right := _as_day(_name(entry))) in (None, _name(folder)):
                        waiting.append(entry)
                    else:
                        astray.extend(self._astray(entry, str(right), within=folder))
        return Delivery(tuple(files), tuple(markers), tuple(astray))

    def _astray(self, folder: str, right: str, within: str | None = None) -> Iterator[Astray]:
        """The folder, unless there is no file below it."""
        waiting = [folder]
        while waiting:
            for entry in self._list(waiting.pop()):
                if isinstance(entry, str):
                    waiting.append(entry)
                elif not _is_marker(entry):
                    yield Astray(folder, right, within)
                    return

    def _list(self, folder: str) -> list[str | SeenFile]:
        """The entries of a folder that are looked at, and its marker; none when it has gone meanwhile."""
        try:
            return list(self._listing.entries(folder))
        except FileNotFoundError as e:
            if folder:
                return []
            raise LandingZoneError(
                f"The landing zone {shown(self.url)} does not exist: create it, or set CTR_LANDING_URL to the one "
                "that does"
            ) from e
        except LandingZoneError:
            raise
        except Exception as e:  # each file system raises what its client raises
            raise LandingZoneError(
                f"{shown(self.url_of(folder).rstrip('/'))} cannot be listed ({told(e)}): "
                "check that it can be reached and read. Nothing is lost: the next look or run starts where this one did"
            ) from e


def _name(folder: str) -> str:
    return folder[:-1].rsplit("/", 1)[-1]


def _as_day(name: str) -> str | None:
    """What the folder of the day that a name stands for, or was meant to, is called; None for any other name."""
    return name if named_day(name) else misspelt(name)


def _is_marker(file: SeenFile) -> bool:
    return file.path.rsplit("/", 1)[-1] == SUCCESS_MARKER


def _readable(size: int) -> str:
    """Bytes as a person reads them: 2.1 MB."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
