"""A block of CSV lines as an Arrow table: one row for every line that is a row, a reason for every other.

Almost every block is lines of unquoted fields: Arrow parses it at one go with quoting off, so that a stray quote cannot
join two lines, and straight into dictionaries. What is anything else is looked at line by line.
"""

import csv
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from ctr_assets.etl.lines import MAX_LINE_BYTES, WINDOW_BYTES, count_lines
from ctr_assets.features import ID_COLUMN, RAW_COLUMNS

DICTIONARY: Final = pa.dictionary(pa.int32(), pa.string())
MAX_FIELD_BYTES: Final = 2 * WINDOW_BYTES
"""4 KiB, a hundred times the longest value of the published data. A longer one is an accident."""
_QUOTE, _COMMA, _CARRIAGE_RETURN, _LINE_FEED, _ASCII_END = 34, 44, 13, 10, 128
_RETURNS_AT_END: Final = 2
"""Carriage returns taken for part of a line's end: Windows writes one, and a conversion done twice two."""
_PIECE_BYTES: Final = 4 << 20
"""Bytes looked at line by line at a time: what is allocated for it is 20 times as much."""
Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CsvFormat:
    """The columns of a text in their order, '' where one has no name, and those of them that are read."""

    columns: tuple[str, ...]

    @property
    def wanted(self) -> list[str]:
        return [name for name in self.columns if name in RAW_COLUMNS]

    @property
    def unique_columns(self) -> list[str]:
        """Names for Arrow: columns that are not read may share one, or have none."""
        return [name if name in RAW_COLUMNS else f"column {i}" for i, name in enumerate(self.columns)]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string() if name == ID_COLUMN else DICTIONARY) for name in self.wanted])


@dataclass
class CsvBlock:
    """``rows`` in the order of the lines; ``line_of_row[i]`` is the line, from 0 in the block, of row i.

    ``rejected`` has the reason for each line that is no row, ``blank`` counts those that hold nothing, and ``text`` is
    the block itself.
    """

    text: bytes
    rows: pa.Table
    line_of_row: Int
    rejected: dict[int, str] = field(default_factory=dict)
    blank: int = 0

    @property
    def lines(self) -> int:
        """Lines that something became of."""
        return int(self.rows.num_rows) + len(self.rejected) + self.blank

    def line_texts(self, lines: Sequence[int]) -> list[bytes]:
        """The bytes of some lines, without what ends them."""
        if not lines:
            return []
        starts, stops = _bounds(self.text)
        return [self.text[starts[line] : stops[line]] for line in lines]


def parse_block(text: bytes, csv_format: CsvFormat) -> CsvBlock:
    """Parse whole lines, of which the last may lack its line feed; ``text`` is not empty.

    A block of unquoted fields is parsed at one go. Any other is cut into pieces, and only the pieces with other lines
    are looked at line by line.
    """
    block = _parse_unquoted(text, csv_format)
    if block is not None:
        return block
    pieces = []
    start = 0
    while start < len(text):
        end = len(text) if len(text) - start <= _PIECE_BYTES else text.rfind(b"\n", start, start + _PIECE_BYTES) + 1
        end = end if end > start else text.find(b"\n", start) + 1 or len(text)
        piece = text[start:end]
        pieces.append(_parse_unquoted(piece, csv_format) or _parse_carefully(piece, csv_format))
        start = end
    return _joined(text, pieces)


def _parse_unquoted(text: bytes, csv_format: CsvFormat) -> CsvBlock | None:
    """The block, if every line of it is a row of short unquoted fields in UTF-8; else None."""
    breaks, has_long_line = count_lines(text)
    lines = breaks + (not text.endswith(b"\n"))
    # Looking whether a byte is there at all is fifteen times as fast as counting it.
    has_stray_return = b"\r" in text and text.count(b"\r") != text.count(b"\r\n")
    if has_long_line or b'"' in text or has_stray_return:
        return None
    rows = _parse(text, csv_format, lines)
    return None if rows is None else CsvBlock(text, rows, np.arange(lines))


def _joined(text: bytes, pieces: list[CsvBlock]) -> CsvBlock:
    """The pieces of a text as one block."""
    firsts = np.cumsum([0, *(piece.lines for piece in pieces)])[:-1].tolist()
    rows = pa.concat_tables([piece.rows for piece in pieces]).unify_dictionaries().combine_chunks()
    line_of_row = np.concatenate([piece.line_of_row + first for piece, first in zip(pieces, firsts, strict=True)])
    rejected = {
        line + first: reason
        for piece, first in zip(pieces, firsts, strict=True)
        for line, reason in piece.rejected.items()
    }
    return CsvBlock(text, rows, line_of_row, rejected, sum(piece.blank for piece in pieces))


def _parse(text: bytes, csv_format: CsvFormat, lines: int, *, is_quoted: bool = False) -> pa.Table | None:
    """The rows of ``lines`` lines; None when one of them is no row: blank, of another number of fields, not UTF-8."""
    try:
        rows = pacsv.read_csv(
            # Arrow drops a byte order mark from what it reads first, which here is any line of the file.
            pa.BufferReader(BOM_UTF8 + text if text.startswith(BOM_UTF8) else text),
            read_options=pacsv.ReadOptions(
                column_names=csv_format.unique_columns, block_size=len(text) + len(BOM_UTF8) + 1, use_threads=False
            ),
            parse_options=pacsv.ParseOptions(quote_char='"' if is_quoted else False),
            convert_options=pacsv.ConvertOptions(
                include_columns=csv_format.wanted,
                column_types={f.name: f.type for f in csv_format.schema},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return rows if rows.num_rows == lines else None


def _parse_carefully(text: bytes, csv_format: CsvFormat) -> CsvBlock:
    """Sort the lines by what they hold: nothing, unquoted fields, quoted ones, or what makes them no row."""
    data = np.frombuffer(text, np.uint8)
    starts, stops = _bounds(text)
    expected = len(csv_format.columns)

    def count(where: npt.NDArray[np.bool_]) -> Int:
        positions = np.flatnonzero(where)
        return np.searchsorted(positions, stops) - np.searchsorted(positions, starts)

    def lines_of(where: npt.NDArray[np.bool_]) -> list[int]:
        return np.flatnonzero(where).tolist()

    length, fields = stops - starts, count(data == _COMMA) + 1
    is_quoted, is_ascii = count(data == _QUOTE) > 0, count(data >= _ASCII_END) == 0
    blank, too_long = length == 0, length > MAX_LINE_BYTES
    broken = ~too_long & (count(data == _CARRIAGE_RETURN) > 0)
    miscounted = ~(blank | too_long | broken | is_quoted) & (fields != expected)
    blank[[line for line in lines_of(miscounted) if not text[starts[line] : stops[line]].strip()]] = True
    miscounted &= ~blank
    rejected = {
        **dict.fromkeys(lines_of(too_long), f"longer than {MAX_LINE_BYTES:,} bytes"),
        **dict.fromkeys(lines_of(broken), "a carriage return within the line"),
        **{line: _other_count(int(fields[line]), expected) for line in lines_of(miscounted)},
    }
    rest = ~(blank | too_long | broken | miscounted)
    is_short = length <= MAX_FIELD_BYTES
    parts: list[tuple[pa.Table, Int]] = []
    for lines, quoted in (
        (rest & ~is_quoted & is_short, False),
        (rest & is_quoted & is_short & is_ascii & _are_well_quoted(data, starts, stops), True),
    ):
        chosen = np.flatnonzero(lines)
        joined = b"".join([text[starts[line] : stops[line]] + b"\n" for line in chosen])
        rows = _parse(joined, csv_format, len(chosen), is_quoted=quoted) if len(chosen) else None
        if rows is not None:
            parts.append((rows, chosen))
            rest &= ~lines
    found: dict[int, list[str]] = {}
    for line in lines_of(rest):
        row = _fields(text[starts[line] : stops[line]], csv_format)
        if isinstance(row, str):
            rejected[line] = row
        else:
            found[line] = row
    if found:
        parts.append((_table(list(found.values()), csv_format), np.array(list(found))))
    return CsvBlock(text, *_in_order(parts, csv_format), rejected, int(blank.sum()))


def _bounds(text: bytes) -> tuple[Int, Int]:
    """Where each line starts, and where what it holds stops: two arrays of shape ``(lines,)``."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _LINE_FEED)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate([[0], ends[:-1] + 1])
    for _ in range(_RETURNS_AT_END):
        ends = ends - ((ends > starts) & (data[ends - 1] == _CARRIAGE_RETURN))
    return starts, ends


def _are_well_quoted(data: npt.NDArray[np.uint8], starts: Int, stops: Int) -> npt.NDArray[np.bool_]:
    """Lines in which every quote opens at the start of a field, closes at the end of one, or is doubled within one.

    Those are the lines of RFC 4180, section 2, whose quotes mean the same whatever stands in the lines around them.
    """
    quotes = np.flatnonzero(data == _QUOTE)
    line = np.searchsorted(starts, quotes, side="right") - 1
    opens = (np.arange(len(quotes)) - np.searchsorted(quotes, starts)[line]) % 2 == 0
    before, after = data[np.maximum(quotes - 1, 0)], data[np.minimum(quotes + 1, len(data) - 1)]
    at_start = (quotes == starts[line]) | (before == _COMMA) | (before == _QUOTE)
    at_stop = (quotes + 1 == stops[line]) | (after == _COMMA) | (after == _QUOTE)
    wrong = np.bincount(line[~np.where(opens, at_start, at_stop)], minlength=len(starts)) > 0
    well_quoted: npt.NDArray[np.bool_] = ~wrong & (np.bincount(line, minlength=len(starts)) % 2 == 0)
    return well_quoted


def _other_count(found: int, expected: int) -> str:
    return f"{found} columns, expected {expected}"


def _fields(line: bytes, csv_format: CsvFormat) -> list[str] | str:
    """The fields of one line, quoted or not; or why it is no row.

    A quote that opens must close within the line. One inside an unquoted field is a character like any other, as for
    Python's csv module.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as e:
        return f"not UTF-8 at byte {e.start + 1}"
    csv.field_size_limit(MAX_LINE_BYTES)  # columns that are not read may be longer than the module's default
    # A quote that does not close goes on into the line after it, which is there to tell.
    reader = csv.reader((text, ""))
    try:
        fields = next(reader)
    except csv.Error as e:
        return f"no CSV: {e}"
    if reader.line_num > 1:
        return "a quote that does not close within the line"
    if len(fields) != len(csv_format.columns):
        return _other_count(len(fields), len(csv_format.columns))
    for name, value in zip(csv_format.columns, fields, strict=True):
        if name in RAW_COLUMNS and len(value.encode()) > MAX_FIELD_BYTES:
            return f"{name} is longer than {MAX_FIELD_BYTES:,} bytes"
    return fields


def _table(rows: list[list[str]], csv_format: CsvFormat) -> pa.Table:
    values = dict(zip(csv_format.unique_columns, zip(*rows, strict=True), strict=True))
    return pa.table([pa.array(values[f.name], pa.string()).cast(f.type) for f in csv_format.schema], csv_format.schema)


def _in_order(parts: list[tuple[pa.Table, Int]], csv_format: CsvFormat) -> tuple[pa.Table, Int]:
    """The rows of all parts and their lines, in the order of the lines."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return csv_format.schema.empty_table(), np.empty(0, dtype=np.int64)
    lines = np.concatenate([lines for _, lines in parts])
    order = np.argsort(lines)
    together = pa.concat_tables([rows for rows, _ in parts]).unify_dictionaries().combine_chunks()
    return together.take(pa.array(order)), lines[order]
