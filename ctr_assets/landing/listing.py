"""What lies in one folder of a landing zone, on a disk or in object storage: names, sizes, identities. Opens no file.

Paths are relative to the landing zone. A folder's ends with a slash, the landing zone itself is the empty one. In
object storage a folder is a prefix, so that ``a//b`` is in the folder without a name that is in ``a/``.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from fsspec.implementations.local import LocalFileSystem

from ctr_assets.landing.errors import LandingZoneError, shown
from ctr_assets.landing.names import SUCCESS_MARKER, is_ignored
from ctr_assets.storage.locate import GCS, LOCAL, locate

_NO_FILES: Final = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
_PAGE: Final = 5000
"""Objects of one answer (the JSON API gives 1,000 unasked)."""


@dataclass(frozen=True)
class SeenFile:
    """A file of the landing zone. ``path`` is relative to it, ``size`` in bytes, ``modified`` in epoch seconds.

    ``identity`` changes whenever the content may have changed. In object storage it is the generation. On a disk it is
    inode, time of change and time of modification: the last alone can be set back, and repeats within a clock tick.
    ``encoding`` is the Content-Encoding that an object in storage carries.
    """

    path: str
    size: int
    identity: str
    modified: float
    encoding: str = ""


class Listing(Protocol):
    """One look at a landing zone. ``base`` and a relative path make a URL."""

    base: str

    def entries(self, folder: str) -> Iterator[str | SeenFile]:
        """The folders and files in a folder that are looked at, and its success marker, by name.

        Raises FileNotFoundError when there is no such folder (in object storage: no such bucket), LandingZoneError for
        what cannot be delivered, and whatever its client raises for a place that cannot be reached.
        """
        ...


def listing_of(url: str) -> Listing:
    """Begins a look. Raises ValueError for a URL that is of no place."""
    fs, path = locate(url)
    return LocalListing(path) if isinstance(fs, LocalFileSystem) else GcsListing(fs, path)


def look_at(url: str) -> SeenFile:
    """A file as it is now. Raises FileNotFoundError when it has gone, and whatever its client raises."""
    fs, path = locate(url)
    if isinstance(fs, LocalFileSystem):
        return _on_disk(path, os.stat(path))
    bucket, _, name = path.partition("/")
    return _in_gcs(path, fs.call("GET", "b/{}/o/{}", bucket, name, json_out=True))


def _on_disk(path: str, status: os.stat_result) -> SeenFile:
    identity = f"{status.st_ino}-{status.st_ctime_ns}-{status.st_mtime_ns}"
    return SeenFile(path, status.st_size, identity, status.st_mtime)


def _in_gcs(path: str, item: Mapping[str, Any]) -> SeenFile:
    """By the object's resource of the JSON API; the generation changes with every upload."""
    modified = datetime.fromisoformat(item["updated"]).timestamp()
    encoding = item.get("contentEncoding", "")
    return SeenFile(path, int(item["size"]), str(item["generation"]), modified, encoding)


def _is_looked_at(name: str) -> bool:
    return name == SUCCESS_MARKER or not is_ignored(name)


class LocalListing:
    """Follows links to folders and files. What would be reached twice, or by a circle of links, is an error."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self.base = f"{LOCAL}{root.rstrip('/')}/"
        self._reached: dict[tuple[int, int], tuple[str, bool]] = {}
        """Device and inode of every file and folder so far -> where it is, and whether that is a link."""

    def entries(self, folder: str) -> Iterator[str | SeenFile]:
        if not folder:
            for place in (real := self._root.resolve(), *real.parents):
                self._reach(str(place), place.stat(), is_link=False)
        with os.scandir(f"{self.base.removeprefix(LOCAL)}{folder}") as found:
            entries = sorted((entry for entry in found if _is_looked_at(entry.name)), key=lambda entry: entry.name)
        for entry in entries:
            yield from self._entry(f"{folder}{entry.name}", entry)

    def _entry(self, path: str, entry: os.DirEntry[str]) -> Iterator[str | SeenFile]:
        """What an entry stands for; nothing when it has gone since it was listed."""
        try:
            status = entry.stat()
        except FileNotFoundError as e:
            if os.path.islink(entry.path):
                target = shown(os.readlink(entry.path))
                raise LandingZoneError(
                    f"{shown(entry.path)} is a link to {target}, which is not there: deliver that, or remove the link"
                ) from e
            return
        if stat.S_ISDIR(status.st_mode) and not is_ignored(entry.name):
            self._reach(entry.path, status, entry.is_symlink())
            yield f"{path}/"
        elif stat.S_ISREG(status.st_mode):
            self._reach(entry.path, status, entry.is_symlink())
            yield _on_disk(path, status)
        elif not stat.S_ISDIR(status.st_mode):
            kind = _NO_FILES.get(stat.S_IFMT(status.st_mode), "a device")
            raise LandingZoneError(
                f"{shown(entry.path)} is {kind}, expected a file or folder: remove it, or let its name begin with _"
            )

    def _reach(self, path: str, status: os.stat_result, is_link: bool) -> None:
        """Remember a file or folder. Raises where a link gives it a second place; hard links are files of their own."""
        other, other_is_link = self._reached.setdefault((status.st_dev, status.st_ino), (path, is_link))
        if other != path and (is_link or other_is_link):
            link, place = (path, other) if is_link else (other, path)
            raise LandingZoneError(
                f"{shown(link)} is a link to {shown(os.path.realpath(link))}, which is also reached as {shown(place)}: "
                "its rows would be delivered twice. Remove the link, or let its name begin with _"
            )


class GcsListing:
    """By prefix and delimiter, page by page; what was answered before is forgotten."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self._bucket, _, prefix = path.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self.base = f"{GCS}{self._bucket}/{self._prefix}"

    def entries(self, folder: str) -> Iterator[str | SeenFile]:
        place, token = f"{self._prefix}{folder}", None
        while True:
            page = self._fs.call(
                "GET",
                "b/{}/o",
                self._bucket,
                prefix=place or None,
                delimiter="/",
                maxResults=_PAGE,
                pageToken=token,
                json_out=True,
            )
            for prefix in page.get("prefixes", ()):
                if not is_ignored(prefix.removeprefix(place).removesuffix("/")):
                    yield prefix.removeprefix(self._prefix)
            for item in page.get("items", ()):
                name = item["name"].removeprefix(place)
                if not name and int(item["size"]):
                    raise LandingZoneError(
                        f"{GCS}{shown(f'{self._bucket}/{place}')} is called like a folder and holds "
                        f"{int(item['size']):,} bytes: give it a name that does not end in a slash"
                    )
                if name and _is_looked_at(name):  # without one and bytes it stands for the folder
                    yield _in_gcs(item["name"].removeprefix(self._prefix), item)
            token = page.get("nextPageToken")
            if not token:
                return
