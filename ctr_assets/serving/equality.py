"""Whether an exported model says what the trained one says: the same rows, once as raw strings and once encoded."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.features import FEATURES, HOUR_COLUMN, Split
from ctr_assets.serving import TOLERANCE
from ctr_assets.serving.session import PROBABILITY, ServedModel
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.rows import RawRows, iter_split

LEAST_ROWS: Final = 100_000
"""Test rows that are compared at least, where there are as many."""
SAMPLE_ROWS: Final = 1_000
"""Rows kept beside the model, so that a server can compare before it uses the file."""


class Predicts(Protocol):
    """A trained model: probabilities, shape ``(n,)``, of encoded rows."""

    def predict(self, table: pa.Table) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True)
class Comparison:
    """``greatest_difference`` of two probabilities of one of ``rows``; ``undefined`` counts NaN on either side."""

    rows: int
    greatest_difference: float
    undefined: int
    sample: pa.Table
    """Up to ``SAMPLE_ROWS`` of the rows: the raw columns, and the trained model's probability."""

    @property
    def problem(self) -> str | None:
        """Why the exported model must not be used; None when it may."""
        if not self.rows:
            return "there is no test row to compare on"
        if self.undefined:
            return f"{self.undefined:,} of {self.rows:,} probabilities are NaN"
        if self.greatest_difference > TOLERANCE:
            return f"a probability differs by {self.greatest_difference:.2g}, at most {TOLERANCE:g} is rounding"
        return None


def compare(store: Store, exported: ServedModel, trained: Predicts, encoded: Manifest) -> Comparison:
    """Score the test rows of an encoded day twice: all, or every n-th so that ``LEAST_ROWS`` remain."""
    step = max(1, encoded.properties["splits"][Split.TEST.value] // LEAST_ROWS)
    rows = undefined = 0
    greatest = 0.0
    schema = pa.schema([*((name, pa.string()) for name in exported.columns), (PROBABILITY, pa.float32())])
    sample = [schema.empty_table()]
    for raw, table in _test_rows(store, encoded, exported.columns, step):
        given, expected = exported.predict(as_columns(raw)), trained.predict(table)
        of_batch, undefined_of_batch = _difference(given, expected)
        greatest, undefined = max(greatest, of_batch), undefined + undefined_of_batch
        missing = SAMPLE_ROWS - sum(part.num_rows for part in sample)
        if missing > 0:
            sample.append(raw.append_column(PROBABILITY, pa.array(expected)).slice(0, missing).cast(schema))
        rows += len(given)
    return Comparison(rows, greatest, undefined, pa.concat_tables(sample))


def compare_sample(exported: ServedModel, sample: pa.Table) -> Comparison:
    """Ask a model for the rows that are kept beside it, and compare with what the trained model said of them."""
    given, expected = exported.predict(as_columns(sample)), sample[PROBABILITY].to_numpy()
    return Comparison(len(given), *_difference(given, expected), sample)


def as_columns(table: pa.Table) -> dict[str, npt.NDArray[np.object_]]:
    """Columns of strings as onnxruntime takes them."""
    return {name: table[name].to_numpy() for name in table.column_names}


def delivered(table: pa.Table) -> pa.Table:
    """Rows of ``raw_impressions`` as they were delivered: the hour as YYMMDDHH."""
    if HOUR_COLUMN not in table.column_names:
        return table
    hours = pc.strftime(table[HOUR_COLUMN], format="%y%m%d%H")
    return table.set_column(table.column_names.index(HOUR_COLUMN), HOUR_COLUMN, hours)


def _difference(given: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> tuple[float, int]:
    """The greatest difference of two probabilities of a row, and how many rows have none because one is NaN."""
    difference = np.abs(given - expected)
    return float(np.nanmax(difference, initial=0.0)), int(np.isnan(difference).sum())


def _test_rows(
    store: Store, encoded: Manifest, columns: tuple[str, ...], step: int
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The raw columns and the encoded row of every ``step``-th test row."""
    wanted = ["row", *(feature.name for feature in FEATURES)]
    passed = 0
    with closing(RawRows(store, encoded, columns)) as raw:
        for file_index, table in iter_split(store, encoded, (Split.TEST,), wanted):
            chosen = table.take(pa.array(np.arange(-passed % step, table.num_rows, step)))
            passed += table.num_rows
            if chosen.num_rows:
                yield delivered(raw.take(file_index, chosen["row"].to_numpy())), chosen
