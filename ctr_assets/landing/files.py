"""The delivered files that a job reads, and their bytes as stored: those of the file that was planned, or an error."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from ctr_assets.landing.errors import LandingError, shown, told
from ctr_assets.landing.listing import SeenFile, look_at
from ctr_assets.landing.names import ANY_DAY
from ctr_assets.landing.zone import LandingZone
from ctr_assets.plain_text import visible
from ctr_assets.storage.locate import locate


@dataclass(frozen=True)
class LandingFile:
    """A delivered file. ``day`` is set for a daily feed, None for an archive that may hold any day.

    ``path`` is its URL, ``size`` in bytes; ``identity`` that of :class:`~ctr_assets.landing.listing.SeenFile`.
    """

    path: str
    size: int
    day: str | None
    identity: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return shown(self.path)


def find_files(landing_url: str, days: list[str]) -> list[LandingFile]:
    """Files that may hold rows of ``days``: their daily feeds first, then every archive, each by path.

    That order decides which of two rows with the same id is kept. What ``names.is_ignored`` names is not looked at.
    Raises :class:`LandingError` when the whole landing zone holds no file, when a folder was meant to be that of one of
    ``days`` and is not, and when it cannot be listed.
    """
    zone = LandingZone(landing_url)
    folders = zone.folders()
    deliveries = {day: zone.delivery(folders.days.get(day, ())) for day in days}
    astray = [folder for folder in folders.astray if folder.day is None or folder.day in days]
    astray += [folder for delivery in deliveries.values() for folder in delivery.astray]
    if astray:
        raise LandingError(
            f"The landing zone {shown(landing_url)} has folders that seem to be those of days and are not: "
            f"{'; '.join(map(str, astray))}. Nothing was read. Rename what holds a day to {ANY_DAY}, and what does not "
            "to something else"
        )
    feeds = [_planned(zone, file, day) for day, delivery in deliveries.items() for file in delivery.files]
    archives = [_planned(zone, file, None) for file in folders.archives.files]
    if not (feeds or archives or folders.astray or any(zone.delivery(paths).files for paths in folders.days.values())):
        raise LandingError(
            f"The landing zone {shown(landing_url)} holds no file: put train.gz, a .csv or a .zip there, "
            f"or a daily feed under {ANY_DAY}/"
        )
    return [file for group in (feeds, archives) for file in sorted(group, key=lambda file: file.path)]


def _planned(zone: LandingZone, file: SeenFile, day: str | None) -> LandingFile:
    return LandingFile(zone.url_of(file.path), file.size, day, file.identity)


@contextmanager
def open_file(file: LandingFile) -> Iterator[IO[bytes]]:
    """The stored bytes of a delivered file, seekable.

    Raises :class:`LandingError`, naming it, when it cannot be read, and when it is another file than was planned. It is
    compared before it is read and afterwards.
    """
    _check_unchanged(file)
    try:
        with _open(file) as stream:
            yield _Stored(stream, file)  # type: ignore[misc]
    except Exception:
        _check_unchanged(file)  # says more of a file that changed than what came of it
        raise
    _check_unchanged(file)


def has_marker(file: LandingFile, name: str) -> bool:
    """Whether an object of that name lies in the folder of a delivered file."""
    return _look_at(file, f"{file.path.rsplit('/', 1)[0]}/{name}") is not None


class _Stored(io.BufferedIOBase):
    """Reads what it is given; an error while reading is a LandingError that names the file."""

    def __init__(self, stream: Any, file: LandingFile) -> None:
        self._stream, self._file = stream, file

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return bytes(self._stream.read(-1 if size is None else size))
        except Exception as e:  # a disk's or whatever the client of object storage raises
            raise _unreadable(self._file, e) from e

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _open(file: LandingFile) -> Any:
    fs, path = locate(file.path)
    try:
        return open(path, "rb") if isinstance(fs, LocalFileSystem) else fs.open(path, "rb")
    except Exception as e:
        raise _unreadable(file, e) from e


def _check_unchanged(file: LandingFile) -> None:
    now = _look_at(file, file.path)
    if now is not None and (now.size, now.identity) == (file.size, file.identity):
        if now.encoding not in ("", "identity"):
            raise LandingError(
                f"{file.name}: stored with Content-Encoding: {visible(now.encoding)}, so that its bytes are changed on "
                f'their way; expected none. Take it off (gsutil setmeta -h "Content-Encoding:" {file.name}), and run '
                "the day again: a gzip file is known by its content"
            )
        return
    found = "it is gone" if now is None else f"{now.size:,} bytes" if now.size != file.size else "as many, but others"
    raise LandingError(
        f"{file.name}: changed while it was read: {file.size:,} bytes when the run was planned, now {found}. Nothing "
        "was committed. Run the day again when the delivery is complete"
    )


def _look_at(file: LandingFile, url: str) -> SeenFile | None:
    """A file as it is now, None when there is none."""
    try:
        return look_at(url)
    except FileNotFoundError:
        return None
    except Exception as e:
        raise _unreadable(file, e) from e


def _unreadable(file: LandingFile, error: Exception) -> LandingError:
    return LandingError(
        f"{file.name}: cannot be read ({told(error)}): check that it can be reached and read, and run the day again"
    )
