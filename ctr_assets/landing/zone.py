"""What is in the landing zone: names, sizes and identities of files. Local disk or object storage; opens no file."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ctr_assets.landing.names import DAY_FOLDER, SUCCESS_MARKER, is_ignored
from ctr_assets.storage import fingerprint

_STORE_IDENTITIES: Final = ("generation", "etag", "ETag", "md5Hash")
"""What an object store says of an object's content, the strictest first: a generation changes with every upload."""
FINGERPRINT_DIGITS: Final = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits tell the deliveries of one day apart."""


class LandingZoneError(RuntimeError):
    """The landing zone cannot be listed; the message names the place and says what to do."""


@dataclass(frozen=True)
class SeenFile:
    """A file of the landing zone. ``path`` is relative to it, ``size`` in bytes, ``modified`` in epoch seconds.

    ``identity`` is another one whenever the content may be: the store's generation, or on a local disk inode, time of
    change and time of modification (a modification time alone can be set back, and repeats within a clock tick).
    """

    path: str
    size: int
    identity: str
    modified: float


@dataclass(frozen=True)
class Delivery:
    """The files that belong together: those of one day, or all archives. ``markers`` are their ``_SUCCESS``."""

    files: tuple[SeenFile, ...] = ()
    markers: tuple[SeenFile, ...] = ()

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


class LandingZone:
    """A landing zone to be listed. Every method raises :class:`LandingZoneError` where it cannot look."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._root = fsspec.url_to_fs(url)
        self._root = self._root.rstrip("/")

    def folders(self) -> Folders:
        """List everything but the day folders. Starts a look: what object storage answered before is forgotten."""
        self._fs.invalidate_cache()
        entries = list(self._list(self._root))
        if not entries and not self._exists():
            raise LandingZoneError(
                f"The landing zone {self.url} does not exist: create it, or set CTR_LANDING_URL to the one that does"
            )
        days: dict[str, list[str]] = {}
        files: list[SeenFile] = []
        while entries:
            path, info = entries.pop()
            name = path.rsplit("/", 1)[-1]
            if info["type"] != "directory":
                files.extend(self._seen(path, info) if name != SUCCESS_MARKER else ())
            elif name.startswith(DAY_FOLDER):
                days.setdefault(name.removeprefix(DAY_FOLDER), []).append(path)
            else:
                entries.extend(self._list(path))
        return Folders({day: tuple(sorted(paths)) for day, paths in days.items()}, Delivery(tuple(files)))

    def delivery(self, folders: Iterable[str]) -> Delivery:
        """Everything below the folders of a day. A folder that has gone is an empty one."""
        files: list[SeenFile] = []
        markers: list[SeenFile] = []
        waiting = list(folders)
        while waiting:
            for path, info in self._list(waiting.pop()):
                if info["type"] == "directory":
                    waiting.append(path)
                else:
                    kind = markers if path.endswith(f"/{SUCCESS_MARKER}") else files
                    kind.extend(self._seen(path, info))
        return Delivery(tuple(files), tuple(markers))

    def _list(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The entries of a folder that are looked at, and its marker; none when it has gone meanwhile."""
        try:
            entries = self._fs.ls(folder, detail=True)
        except FileNotFoundError:
            return
        except Exception as e:  # each file system raises what its client raises
            raise LandingZoneError(
                f"{self._fs.unstrip_protocol(folder)} cannot be listed ({type(e).__name__}: {e}): check that it can be "
                "reached and read. Nothing is lost: the next look starts where this one did"
            ) from e
        for info in entries:
            path = info["name"].rstrip("/")
            is_placeholder = path == folder  # an object that stands for the folder itself
            if not is_placeholder and (path.endswith(f"/{SUCCESS_MARKER}") or not is_ignored(self._relative(path))):
                yield path, info

    def _exists(self) -> bool:
        """Whether an empty place is there at all: the folder, or on object storage (no folders) the bucket."""
        if self._is_local:
            return bool(self._fs.isdir(self._root))
        try:
            self._fs.ls(self._root.split("/")[0])
        except FileNotFoundError:
            return False
        return True

    def _seen(self, path: str, info: Mapping[str, Any]) -> Iterator[SeenFile]:
        """The file, or nothing when it has gone since it was listed."""
        name = self._relative(path)
        if not self._is_local:
            modified = info["mtime"] if "mtime" in info else self._fs.modified(path)
            identity = next((str(info[key]) for key in _STORE_IDENTITIES if info.get(key)), modified.isoformat())
            yield SeenFile(name, int(info["size"]), identity, modified.timestamp())
            return
        try:
            stat = os.stat(path)
        except FileNotFoundError:
            return
        yield SeenFile(name, stat.st_size, f"{stat.st_ino}-{stat.st_ctime_ns}-{stat.st_mtime_ns}", stat.st_mtime)

    @property
    def _is_local(self) -> bool:
        return isinstance(self._fs, LocalFileSystem)

    def _relative(self, path: str) -> str:
        return path[len(self._root) :].strip("/")


def _readable(size: int) -> str:
    """Bytes as a person reads them: 2.1 MB."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
