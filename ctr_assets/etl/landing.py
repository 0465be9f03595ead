"""What is in the delivered files: their compression, their header, and how their text is cut into tasks."""

import gzip
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

from ctr_assets.features import RAW_COLUMNS
from ctr_assets.landing.files import LandingError, LandingFile, open_file

SPLIT_BYTES: Final = 48 << 20
"""Bytes of plain CSV a task parses at once, about 300,000 impressions: several tasks a core, little memory."""
_HEADER_BYTES = 1 << 16
_COMPRESSED = {".gz": "gzip", ".zip": "zip", ".csv": "plain"}


@dataclass(frozen=True)
class ParseTask:
    """Bytes ``[start, end)`` of a file's decompressed text; whole archives that cannot be split have ``end`` None."""

    rank: int
    file: LandingFile
    columns: tuple[str, ...]
    member: str | None = None
    start: int = 0
    end: int | None = None


def compression_of(file: LandingFile) -> str:
    """gzip, zip or plain, by the name."""
    for suffix, compression in _COMPRESSED.items():
        if file.path.endswith(suffix):
            return compression
    raise LandingError(
        f"{file.path}: not a .csv, .csv.gz, .gz or .zip file; remove it from the landing zone or rename it"
    )


def plan_tasks(files: list[LandingFile], split_bytes: int = SPLIT_BYTES) -> list[ParseTask]:
    """Read every file's header, check its columns and cut plain files into byte ranges. Raises LandingError."""
    tasks: list[ParseTask] = []
    for file in files:
        members = _csv_members(file) if compression_of(file) == "zip" else [None]
        for member in members:
            columns, data_start = _read_header(file, member)
            if compression_of(file) != "plain":
                tasks.append(ParseTask(len(tasks), file, columns, member, data_start))
                continue
            starts = range(data_start, max(file.size, data_start + 1), split_bytes)
            for start in starts:
                end = min(start + split_bytes, file.size)
                tasks.append(ParseTask(len(tasks), file, columns, member, start, end))
    return tasks


def _csv_members(file: LandingFile) -> list[str]:
    try:
        with open_file(file) as raw, zipfile.ZipFile(raw) as archive:
            names = [name for name in sorted(archive.namelist()) if name.endswith(".csv")]
    except zipfile.BadZipFile as e:
        raise LandingError(f"{file.path}: not a readable zip archive ({e}); deliver it again") from e
    if not names:
        raise LandingError(f"{file.path}: the zip archive holds no .csv file; deliver one that does")
    return names


def _read_header(file: LandingFile, member: str | None) -> tuple[tuple[str, ...], int]:
    try:
        with open_text(file, member) as stream:
            head = stream.read(_HEADER_BYTES)
    except (OSError, EOFError, zipfile.BadZipFile) as e:
        raise LandingError(f"{file.path}: damaged or truncated ({e}); deliver it again") from e
    line, newline, _ = head.partition(b"\n")
    try:
        columns = tuple(name.strip().strip('"') for name in line.decode("utf-8-sig").strip().split(","))
    except UnicodeDecodeError as e:
        raise LandingError(f"{file.path}: not a CSV file (its first line is not text); remove or replace it") from e
    missing = [name for name in RAW_COLUMNS if name not in columns and name != "click"]
    if missing:
        raise LandingError(
            f"{file.path}: the header lacks {', '.join(missing)}; expected the columns {', '.join(RAW_COLUMNS)} "
            f"in any order (click may be absent), found {line[:200].decode(errors='replace')!r}"
        )
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise LandingError(f"{file.path}: the header names {', '.join(repeated)} more than once")
    return columns, len(line) + len(newline)


@contextmanager
def open_text(file: LandingFile, member: str | None) -> Iterator[IO[bytes]]:
    """The decompressed bytes of a delivered file. A truncated gzip raises EOFError at its end."""
    with open_file(file) as raw:
        if compression_of(file) == "gzip":
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream  # type: ignore[misc]
        elif compression_of(file) == "zip":
            with zipfile.ZipFile(raw) as archive, archive.open(str(member)) as stream:
                yield stream
        else:
            yield raw


def read_range(task: ParseTask) -> bytes:
    """The whole lines of a plain file that begin inside the task's byte range."""
    assert task.end is not None
    with open_text(task.file, None) as stream:
        first_range = task.start == 0 or _byte_before(stream, task.start) == b"\n"
        if not first_range:
            stream.readline()
        begin = stream.tell()
        if begin >= task.end:
            return b""
        data = stream.read(task.end - begin)
        return data if data.endswith(b"\n") else data + stream.readline()


def _byte_before(stream: Any, position: int) -> bytes:
    stream.seek(position - 1)
    byte: bytes = stream.read(1)
    return byte
