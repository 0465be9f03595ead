"""Parsing delivered CSV into valid impressions and quarantined rows: Arrow batches in, Arrow batches out.

All columns are parsed straight into dictionaries, so every rule is checked on the few distinct values of a batch.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ctr_assets.etl.landing import ParseTask, open_text, read_range
from ctr_assets.features import CATEGORICAL_COLUMNS, RAW_COLUMNS
from ctr_assets.landing.files import LandingError
from ctr_assets.tables import RAW_SCHEMA

BLOCK_BYTES: Final = 64 << 20
"""Most bytes of CSV in one Arrow batch, about 400,000 impressions: one Parquet row group. More than a plain file is
split at, so that a task has one dictionary a column and its readers have none to unify."""

DICTIONARY: Final = pa.dictionary(pa.int32(), pa.string())
PARSED_SCHEMA: Final = pa.schema(
    [
        RAW_SCHEMA.field(n).with_type(DICTIONARY) if n in CATEGORICAL_COLUMNS else RAW_SCHEMA.field(n)
        for n in RAW_COLUMNS
    ]
)
"""``RAW_SCHEMA`` with its categorical columns as dictionaries: the same Parquet, written without decoding."""

DICTIONARY_COLUMNS: Final = [*CATEGORICAL_COLUMNS, "hour", "click"]
"""Columns that Parquet stores as dictionaries: all but ``id``, which hardly repeats."""

RAW_PARQUET_OPTIONS: Final = {"use_dictionary": DICTIONARY_COLUMNS, "write_statistics": ["hour"]}
"""How raw files are written. Smallest and largest of anonymous values serve nobody, and cost a third of the writing."""

QUARANTINE_SCHEMA: Final = pa.schema([("file", pa.string()), ("reason", pa.string()), ("row_text", pa.string())])
UNDATED: Final = "undated"
"""Quarantine partition of rows in an archive whose day cannot be told."""
_LABELS = {"0": 0, "1": 1}


@dataclass
class ParsedBatch:
    """Valid rows of one day, ``PARSED_SCHEMA``."""

    day: str
    rows: pa.Table


@dataclass
class Quarantine:
    """Rejected rows by day (``undated`` where the day cannot be told), in file order."""

    by_day: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)

    def add(self, day: str, file: str, reason: str, row_text: str) -> None:
        self.by_day.setdefault(day, []).append((file, reason, row_text))


def parse(task: ParseTask, days: frozenset[str], quarantine: Quarantine) -> Iterator[ParsedBatch]:
    """Yield the valid rows of ``days`` in a task's bytes; rejected rows go to ``quarantine``.

    Raises :class:`LandingError`, which names the file, when it is damaged or is no CSV.
    """
    path = task.file.path
    fallback_day = task.file.day or UNDATED

    def reject(row: Any) -> str:
        reason = f"{row.actual_columns} columns, expected {row.expected_columns}"
        quarantine.add(fallback_day, path, reason, row.text)
        return "skip"

    try:
        if task.end is not None:
            yield from _parse_stream(io.BytesIO(read_range(task)), task, days, quarantine, reject)
        else:
            with open_text(task.file, task.member) as stream:
                stream.read(task.start)
                yield from _parse_stream(stream, task, days, quarantine, reject)
    except (EOFError, zlib.error, zipfile.BadZipFile, OSError) as e:
        raise LandingError(f"{path}: damaged or truncated ({e}); deliver it again") from e
    except pa.ArrowInvalid as e:
        raise LandingError(f"{path}: cannot be parsed as UTF-8 CSV ({e}); deliver it again") from e


def _parse_stream(
    stream: Any, task: ParseTask, days: frozenset[str], quarantine: Quarantine, reject: Any
) -> Iterator[ParsedBatch]:
    wanted = [name for name in task.columns if name in RAW_COLUMNS]
    types = {name: pa.string() if name == "id" else DICTIONARY for name in wanted}
    try:
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(column_names=list(task.columns), block_size=BLOCK_BYTES, use_threads=False),
            parse_options=pacsv.ParseOptions(invalid_row_handler=reject),
            convert_options=pacsv.ConvertOptions(include_columns=wanted, column_types=types, strings_can_be_null=False),
        )
    except pa.ArrowInvalid as e:
        if "Empty CSV file" in str(e):
            return
        raise
    for batch in reader:
        yield from _validate(pa.table(batch), task, days, quarantine)


def _validate(table: pa.Table, task: ParseTask, days: frozenset[str], quarantine: Quarantine) -> Iterator[ParsedBatch]:
    table = table.combine_chunks()
    hours, day_of_hour, hour_codes = _parse_hours(table["hour"].chunk(0))
    reasons = _reasons(table, hours, day_of_hour, hour_codes, task.file.day)
    for row in np.flatnonzero(reasons != ""):
        day = task.file.day or day_of_hour[hour_codes[row]] or UNDATED
        if day in days or day == UNDATED:
            text = ",".join(str(table[name][row].as_py()) for name in table.column_names)
            quarantine.add(day, task.file.path, str(reasons[row]), text)
    valid = reasons == ""
    for day in sorted(days.intersection(d for d in day_of_hour if d)):
        of_day = np.array([d == day for d in day_of_hour])[hour_codes] & valid
        if not of_day.any():
            continue
        rows = table if of_day.all() else table.filter(pa.array(of_day))
        codes = hour_codes[of_day]
        columns = {
            "id": rows["id"],
            "click": _labels(rows) if "click" in rows.column_names else pa.nulls(rows.num_rows, pa.int8()),
            "hour": pa.array(hours[codes], RAW_SCHEMA.field("hour").type),
            **{name: rows[name] for name in CATEGORICAL_COLUMNS},
        }
        yield ParsedBatch(day, pa.table([columns[name] for name in RAW_COLUMNS], schema=PARSED_SCHEMA))


def _parse_hours(hour: pa.DictionaryArray) -> tuple[np.ndarray, list[str | None], np.ndarray]:
    """Distinct hours as datetime64[ms] (NaT when unparsable), their days (None likewise), and a code per row."""
    hours, days = [], []
    for text in hour.dictionary.to_pylist():
        parsed = parse_hour(text)
        hours.append(np.datetime64(parsed.replace(tzinfo=None), "ms") if parsed else np.datetime64("NaT", "ms"))
        days.append(f"{parsed:%Y-%m-%d}" if parsed else None)
    return np.array(hours, dtype="datetime64[ms]"), days, hour.indices.to_numpy()


def parse_hour(text: str) -> datetime | None:
    """The hour that YYMMDDHH names, UTC; None when it names none."""
    if len(text) != 8 or not text.isascii() or not text.isdigit():
        return None
    try:
        return datetime.strptime(text, "%y%m%d%H").replace(tzinfo=UTC)
    except ValueError:
        return None


def _reasons(
    table: pa.Table, hours: np.ndarray, day_of_hour: list[str | None], hour_codes: np.ndarray, folder_day: str | None
) -> np.ndarray:
    """Why each row is rejected, '' for a valid one. The first rule that fails gives the reason."""
    reasons = np.full(table.num_rows, "", dtype=object)
    for name in ("id", *CATEGORICAL_COLUMNS):
        empty = _rows_equal(table[name], "")
        if empty is not None:
            reasons[empty & (reasons == "")] = f"{name} is empty"
    if "click" in table.column_names:
        clicks = table["click"].chunk(0)
        for value in set(clicks.dictionary.to_pylist()) - set(_LABELS):
            rows = _rows_equal(table["click"], value)
            if rows is not None:
                reasons[rows & (reasons == "")] = f"click is {value!r}, expected 0 or 1"
    unparsable = np.isnat(hours)[hour_codes]
    reasons[unparsable & (reasons == "")] = "hour is not YYMMDDHH"
    if folder_day is not None:
        elsewhere = np.array([day is not None and day != folder_day for day in day_of_hour])[hour_codes]
        reasons[elsewhere & (reasons == "")] = f"hour is not of {folder_day}, the folder's day"
    return reasons


def _rows_equal(column: pa.ChunkedArray, value: str) -> np.ndarray | None:
    """Boolean mask of the rows that hold ``value``; None, at the cost of a dictionary look-up, when none does."""
    array = column.chunk(0)
    if isinstance(array, pa.DictionaryArray):
        code = pc.index(array.dictionary, pa.scalar(value, pa.string())).as_py()
        return None if code < 0 else np.asarray(array.indices) == code
    mask = np.asarray(pc.equal(array, value))
    return mask if mask.any() else None


def _labels(rows: pa.Table) -> pa.Array:
    clicks = rows["click"].combine_chunks()
    lookup = np.array([_LABELS.get(text, -1) for text in clicks.dictionary.to_pylist()], dtype=np.int8)
    return pa.array(lookup[np.asarray(clicks.indices)], pa.int8())
