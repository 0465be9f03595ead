"""Parsing a task's lines into impressions of each day and rejected lines, and counting what became of each line."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from ctr_assets.etl.csv_block import DICTIONARY, CsvBlock, CsvFormat, parse_block
from ctr_assets.etl.lines import LineBreaks, read_blocks
from ctr_assets.etl.plan import ParseTask
from ctr_assets.etl.validate import RoundedValueError, Verdict, labels, refuse_rounded, validate
from ctr_assets.features import CATEGORICAL_COLUMNS, HOUR_COLUMN, ID_COLUMN, LABEL_COLUMN, RAW_COLUMNS
from ctr_assets.storage.prefetch import map_ahead
from ctr_assets.tables import QUARANTINE_SCHEMA, RAW_SCHEMA, UNDATED

PARSED_SCHEMA: Final = pa.schema(
    [
        RAW_SCHEMA.field(n).with_type(DICTIONARY) if n in CATEGORICAL_COLUMNS else RAW_SCHEMA.field(n)
        for n in RAW_COLUMNS
    ]
)
"""``RAW_SCHEMA`` with its categorical columns as dictionaries: the same Parquet, written without decoding."""

RAW_PARQUET_OPTIONS: Final = {
    "use_dictionary": [*CATEGORICAL_COLUMNS, HOUR_COLUMN, LABEL_COLUMN],  # all but the id, which hardly repeats
    "write_statistics": [HOUR_COLUMN],
}
"""How raw files are written. Smallest and largest of anonymous values serve nobody, and cost a third of the writing."""

PARSERS: Final = 2
"""Threads that parse the blocks of a task while it decompresses the next ones and writes those before: the one takes a
third of the time of parsing, the other two thirds."""

QUARANTINED_TEXT_BYTES: Final = 1024
"""What is kept of a rejected line: more than any line of the published data, and a bound for what a bad file costs."""


class BadRowError(ValueError):
    """A row shows that the whole file is unusable. ``line`` is its position among the task's lines, from 0."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class TaskCounts:
    """What was counted in a task: line feeds of its bytes on the one side, what became of its lines on the other."""

    breaks: LineBreaks = field(default_factory=LineBreaks)
    blank: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    other_days: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        """Lines that something became of."""
        return self.blank + self.kept.total() + self.quarantined.total() + self.other_days.total()

    def add(self, other: "TaskCounts") -> None:
        """Count another task's lines here too."""
        self.breaks.count += other.breaks.count
        self.breaks.ends_open |= other.breaks.ends_open
        self.blank += other.blank
        for mine, theirs in (
            (self.kept, other.kept),
            (self.quarantined, other.quarantined),
            (self.other_days, other.other_days),
        ):
            mine.update(theirs)


@dataclass(frozen=True)
class ParsedRows:
    """Rows of one day: impressions (``PARSED_SCHEMA``) or rejected lines (``QUARANTINE_SCHEMA``)."""

    day: str
    rows: pa.Table
    is_rejected: bool = False


def parse(task: ParseTask, days: frozenset[str], counts: TaskCounts) -> Iterator[ParsedRows]:
    """Yield the impressions of ``days`` in a task's bytes, and its rejected lines, block by block.

    Rejected lines are of the folder's day in a daily feed, else of the day of their hour, else ``undated``. Raises
    LandingError when the file is damaged, and :class:`BadRowError` when a row shows that it was spoilt.
    """
    lines_before = 0
    for block, verdict in map_ahead(partial(_parse_block, task), read_blocks(task, counts.breaks), PARSERS):
        if isinstance(verdict, RoundedValueError):
            raise BadRowError(str(verdict), lines_before + int(block.line_of_row[verdict.row])) from verdict
        lines_before += block.lines
        counts.blank += block.blank
        yield from _kept(block.rows, verdict, days, counts)
        yield from _rejected(task, block, verdict, days, counts)


def _parse_block(task: ParseTask, text: bytes) -> tuple[CsvBlock, Verdict | RoundedValueError]:
    """The rows of a block, and what becomes of them; or the error that a row shows."""
    block = parse_block(text, CsvFormat(task.header.columns))
    try:
        refuse_rounded(text, block.rows)
    except RoundedValueError as e:
        return block, e
    return block, validate(block.rows, task.text.file.day)


def _kept(rows: pa.Table, verdict: Verdict, days: frozenset[str], counts: TaskCounts) -> Iterator[ParsedRows]:
    is_valid = verdict.reason_codes == 0
    for code, day in enumerate(verdict.days):
        mask = (verdict.day_codes == code) & is_valid
        found = int(np.count_nonzero(mask))
        if not found:
            continue
        if day not in days:
            counts.other_days[day] += found
        else:
            counts.kept[day] += found
            all_rows = found == len(mask)
            yield ParsedRows(day, _impressions(rows, verdict.hours, None if all_rows else pa.array(mask)))


def _impressions(rows: pa.Table, hours: pa.Array, mask: pa.Array | None) -> pa.Table:
    columns = {
        ID_COLUMN: rows[ID_COLUMN],
        LABEL_COLUMN: labels(rows),
        HOUR_COLUMN: hours,
        **{name: rows[name] for name in CATEGORICAL_COLUMNS},
    }
    table = pa.table([columns[name] for name in RAW_COLUMNS], schema=PARSED_SCHEMA)
    return table if mask is None else table.filter(mask).combine_chunks()


def _rejected(
    task: ParseTask, block: CsvBlock, verdict: Verdict, days: frozenset[str], counts: TaskCounts
) -> Iterator[ParsedRows]:
    """The block's rejected lines in their order, by day; those of other days are only counted."""
    fallback = task.text.file.day or UNDATED
    found = {line: (fallback, reason) for line, reason in block.rejected.items()}
    for row in np.flatnonzero(verdict.reason_codes).tolist():
        day, reason = verdict.days[verdict.day_codes[row]], verdict.reasons[verdict.reason_codes[row]]
        found[int(block.line_of_row[row])] = day, reason
    lines = sorted(found)
    by_day: dict[str, list[tuple[str, str, str]]] = {}
    for line, text in zip(lines, block.line_texts(lines), strict=True):
        day, reason = found[line]
        by_day.setdefault(day, []).append((task.text.name, reason, readable(text)))
    for day, rejected in by_day.items():
        if day in days or day == UNDATED:
            counts.quarantined[day] += len(rejected)
            columns = [pa.array(column, pa.string()) for column in zip(*rejected, strict=True)]
            yield ParsedRows(day, pa.table(columns, schema=QUARANTINE_SCHEMA), is_rejected=True)
        else:
            counts.other_days[day] += len(rejected)


def readable(line: bytes) -> str:
    r"""A rejected line as text: bytes that are not UTF-8 as ``\xe9``, and cut where it is long, with its length."""
    cut = line[:QUARANTINED_TEXT_BYTES].decode("utf-8", "backslashreplace")
    return cut if len(line) <= QUARANTINED_TEXT_BYTES else f"{cut}… ({len(line):,} bytes)"
