"""Which parsed rows are impressions, and of which day. All rules look at the few distinct values of a block."""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.features import CATEGORICAL_COLUMNS, HOUR_COLUMN, ID_COLUMN, LABEL_COLUMN, RAW_COLUMNS
from ctr_assets.tables import RAW_SCHEMA, UNDATED

LABELS: Final = {"0": 0, "1": 1}
_ROUNDED: Final = r"^\d+([.,]\d+)?[eE]\+\d+$"
_ROUNDED_ID: Final = rf"{_ROUNDED}|^\d+[.,]0+$"
"""Numbers as a spreadsheet or a data frame writes what it took for one: 1.00002E+19, 10000169349117863936.0."""
_SIGNS_OF_ROUNDING: Final = (b"+", b".", b'"')
"""What a text with a rounded value holds somewhere: a plus, a point, or quotes around a decimal comma."""
_FIRST_SHORT_YEAR: Final = 69
"""Two digits of a year from this one on are of the 1900s, as for strptime (POSIX)."""
_SHOWN: Final = 40


class RoundedValueError(ValueError):
    """A value (as a message shows it) was rounded before it was delivered, so the original cannot be known.

    ``row`` is its position.
    """

    def __init__(self, column: str, value: str, row: int) -> None:
        super().__init__(
            f"{column} is {value}: a number that a spreadsheet or a data frame has rounded, so that different values "
            "became one. Export the column as text, and deliver the file again"
        )
        self.row = row


@dataclass(frozen=True)
class Verdict:
    """What becomes of each row of a block; both arrays have shape ``(rows,)``.

    ``days[day_codes[i]]`` is the day of row i, ``undated`` where it cannot be told, the folder's in a daily feed.
    ``reasons[reason_codes[i]]`` is why it is rejected, code 0 for a valid one. ``hours`` are the rows' hours.
    """

    days: list[str]
    day_codes: npt.NDArray[np.int32]
    reasons: list[str]
    reason_codes: npt.NDArray[np.int32]
    hours: pa.Array


def validate(rows: pa.Table, folder_day: str | None) -> Verdict:
    """Judge the rows of a block; the first rule that fails gives the reason."""
    hour = rows[HOUR_COLUMN].combine_chunks()
    parsed = [parse_hour(text) for text in hour.dictionary.to_pylist()]
    of_hour = [UNDATED if each is None else f"{each:%Y-%m-%d}" for each in parsed]
    reasons = _Reasons(rows.num_rows)
    for name in (ID_COLUMN, *CATEGORICAL_COLUMNS):
        reasons.reject(_equal(rows[name], ""), f"{name} is empty")
    if LABEL_COLUMN in rows.column_names:
        reasons.reject_values(
            rows[LABEL_COLUMN].combine_chunks(),
            lambda value: value not in LABELS,
            f"{LABEL_COLUMN} is {{}}, expected 0 or 1",
        )
    codes = hour.indices.to_numpy()
    reasons.reject(np.array([each is None for each in parsed], dtype=bool)[codes], f"{HOUR_COLUMN} is not YYMMDDHH")
    if folder_day is not None:
        elsewhere = np.array([day != folder_day for day in of_hour], dtype=bool)[codes]
        reasons.reject(elsewhere, f"{HOUR_COLUMN} is not of {folder_day}, the folder's day")
        of_hour = [folder_day] * len(of_hour)
    days = sorted(set(of_hour))
    position = {day: code for code, day in enumerate(days)}
    day_codes = np.array([position[day] for day in of_hour], dtype=np.int32)[codes]
    instants = [None if each is None else each.replace(tzinfo=None) for each in parsed]
    hours = pa.array(instants, pa.timestamp("ms")).cast(RAW_SCHEMA.field(HOUR_COLUMN).type).take(hour.indices)
    return Verdict(days, day_codes, reasons.texts, reasons.codes, hours)


def labels(rows: pa.Table) -> pa.Array:
    """The labels of valid rows as int8; nulls where the text has no such column."""
    if LABEL_COLUMN not in rows.column_names:
        return pa.nulls(rows.num_rows, pa.int8())
    clicks = rows[LABEL_COLUMN].combine_chunks()
    return pa.array([LABELS.get(text) for text in clicks.dictionary.to_pylist()], pa.int8()).take(clicks.indices)


def parse_hour(text: str) -> datetime | None:
    """The hour that YYMMDDHH names, UTC; None when it names none."""
    if len(text) != 8 or not text.isascii() or not text.isdigit():
        return None
    short_year, month, day, hour = (int(text[i : i + 2]) for i in (0, 2, 4, 6))
    year = short_year + (1900 if short_year >= _FIRST_SHORT_YEAR else 2000)
    is_hour = 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1] and hour <= 23
    return datetime(year, month, day, hour, tzinfo=UTC) if is_hour else None


class _Reasons:
    """The first reason against each row, as a code into ``texts``; 0 is none."""

    def __init__(self, rows: int) -> None:
        self.texts = [""]
        self.codes = np.zeros(rows, dtype=np.int32)

    def reject(self, rows: npt.NDArray[np.bool_] | None, text: str) -> None:
        if rows is not None and rows.any():
            self.codes[rows & (self.codes == 0)] = len(self.texts)
            self.texts.append(text)

    def reject_values(self, column: pa.DictionaryArray, is_wrong: Callable[[str], bool], text: str) -> None:
        """Reject the rows whose value is wrong; ``text`` has a place for the value."""
        of_value = np.zeros(len(column.dictionary), dtype=np.int32)
        for position, value in enumerate(column.dictionary.to_pylist()):
            if is_wrong(value):
                of_value[position] = len(self.texts)
                self.texts.append(text.format(shortened(value)))
        if of_value.any():
            codes = of_value[column.indices.to_numpy()]
            self.codes = np.where(self.codes == 0, codes, self.codes)


def shortened(value: str) -> str:
    """A value as a message shows it: quoted, and cut where it is long."""
    return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}…"


def _equal(column: pa.ChunkedArray, value: str) -> npt.NDArray[np.bool_] | None:
    """Mask of the rows that hold ``value``; None, at the cost of a dictionary look-up, when none does."""
    array = column.combine_chunks()
    if isinstance(array, pa.DictionaryArray):
        code = pc.index(array.dictionary, pa.scalar(value, pa.string())).as_py()
        return None if code < 0 else array.indices.to_numpy() == code
    mask: npt.NDArray[np.bool_] = pc.equal(array, value).to_numpy(zero_copy_only=False)
    return mask


def refuse_rounded(text: bytes, rows: pa.Table) -> None:
    """Raise :class:`RoundedValueError` for the first column of the rows of ``text`` that holds a rounded value."""
    if not any(sign in text for sign in _SIGNS_OF_ROUNDING):
        return  # which three looks at the bytes tell ten times sooner than one at every id
    for name in (n for n in RAW_COLUMNS if n in rows.column_names):
        column = rows[name].combine_chunks()
        values = column.dictionary if isinstance(column, pa.DictionaryArray) else column
        rounded = pc.match_substring_regex(values, _ROUNDED_ID if name == ID_COLUMN else _ROUNDED)
        position = pc.index(rounded, True).as_py()
        if position >= 0:
            row = position if values is column else pc.index(column.indices, position).as_py()
            raise RoundedValueError(name, shortened(values[position].as_py()), row)
