"""The header of a text: which columns it has, whether they are those of an impression log, and where its rows begin."""

import csv
from codecs import BOM_UTF8
from collections import Counter
from dataclasses import dataclass
from typing import Final

from ctr_assets.features import LABEL_COLUMN, RAW_COLUMNS, SUBMISSION_COLUMNS
from ctr_assets.landing.containers import HEAD_BYTES, Text, read_head
from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import has_marker
from ctr_assets.landing.names import UNLABELLED_MARKER

_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SHOWN: Final = 200


class NotAnImpressionLogError(LandingError):
    """The text has the header of something else; ``is_submission``: of a competition's predictions."""

    def __init__(self, message: str, is_submission: bool) -> None:
        super().__init__(message)
        self.is_submission = is_submission


@dataclass(frozen=True)
class Header:
    """``columns`` as delivered, '' where one has no name; the rows begin ``size`` bytes into the text.

    ``blank`` lines came before it. ``line_breaks`` were counted in those bytes on their own.
    """

    columns: tuple[str, ...]
    size: int
    blank: int
    line_breaks: int

    @property
    def is_labelled(self) -> bool:
        return LABEL_COLUMN in self.columns


def read_header(text: Text) -> Header:
    """Read and check the header. Raises LandingError; :class:`NotAnImpressionLogError` when columns are missing."""
    header, line = _first_line(text, read_head(text))
    _check_columns(text, header.columns, line)
    return header


def _first_line(text: Text, head: bytes) -> tuple[Header, str]:
    """The first line that is not blank, as a header and as it stands. ``head`` begins the text."""
    size = blank = 0
    while True:
        line, newline, _ = head[size:].partition(b"\n")
        size += len(line) + len(newline)
        if line.removeprefix(BOM_UTF8).strip() or not newline:
            break
        blank += 1
    if not newline and len(head) == HEAD_BYTES:
        raise LandingError(f"{text.name}: its first line is longer than {HEAD_BYTES:,} bytes: not a CSV file")
    if b"\r" in line.rstrip(b"\r"):
        raise LandingError(
            f"{text.name}: its lines end with a carriage return alone (old Macintosh); expected a line feed. "
            "Convert it, for instance by tr '\\r' '\\n', and deliver it again"
        )
    try:
        decoded = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as e:
        raise LandingError(
            f"{text.name}: not a CSV file (its first line is not text in UTF-8); remove or replace it"
        ) from e
    try:
        names = next(csv.reader([decoded], strict=True), [])
    except csv.Error as e:
        raise LandingError(f"{text.name}: the header's quotes do not close ({e}): {decoded[:_SHOWN]!r}") from e
    return Header(tuple(name.strip() for name in names), size, blank, head[:size].count(b"\n")), decoded


def _check_columns(text: Text, columns: tuple[str, ...], line: str) -> None:
    missing = [name for name in RAW_COLUMNS if name not in columns and name != LABEL_COLUMN]
    unnamed = [str(i + 1) for i, name in enumerate(columns) if not name]
    unknown = [repr(name) for name in columns if name and name not in RAW_COLUMNS]
    nameless = f"{'column' if len(unnamed) == 1 else 'columns'} {', '.join(unnamed)} without a name" if unnamed else ""
    others = ", ".join([*unknown, *([nameless] if nameless else [])])
    if missing:
        separated = next((f"; it seems separated by {n}" for c, n in _OTHER_SEPARATORS.items() if c in line), "")
        raise NotAnImpressionLogError(
            f"{text.name}: the header lacks {', '.join(missing)}; expected the columns {', '.join(RAW_COLUMNS)}, "
            f"separated by commas, in any order ({LABEL_COLUMN} may be absent), found {line[:_SHOWN]!r}"
            + (separated if len(columns) == 1 else "")
            + (f"; it has {nameless}" if nameless else ""),
            is_submission=sorted(columns) == sorted(SUBMISSION_COLUMNS),
        )
    repeated = [name for name, count in Counter(columns).items() if count > 1 and name in RAW_COLUMNS]
    if repeated:
        raise LandingError(f"{text.name}: the header names {', '.join(repeated)} more than once; keep one of each")
    if LABEL_COLUMN not in columns and others and not has_marker(text.file, UNLABELLED_MARKER):
        raise LandingError(
            f"{text.name}: the header has no {LABEL_COLUMN}, but columns that are not known: {others}. If one of them "
            f"is the label, call it {LABEL_COLUMN}. If the day is meant to be unlabelled, leave them out, or put an "
            f"empty file named {UNLABELLED_MARKER} beside this one"
        )
