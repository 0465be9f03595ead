"""Rows of ``raw_impressions`` as integer codes: one small dictionary and one code per row for every base column."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.crosses import cross_names
from ctr_assets.features import CATEGORICAL_COLUMNS, HOUR_OF_DAY, Feature
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import DataFile, Store
from ctr_assets.storage.manifest import VersionName

_MOST_COUNTED_PAIRS: Final = 1 << 24
"""Possible pairs of a cross that are counted in an array, of 192 MB at most; of more, those seen are sorted."""


@dataclass(frozen=True)
class CodedColumn:
    """``values[codes[i]]`` is the value of row i; distinct string ``values``, int32 ``codes`` of shape ``(n,)``."""

    values: pa.Array
    codes: npt.NDArray[np.int32]

    def counts(self, rows: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.int64]:
        """How often each value occurs, among all rows or those at some positions; shape ``(len(values),)``."""
        return np.bincount(self.codes if rows is None else self.codes[rows], minlength=len(self.values))


@dataclass(frozen=True)
class CodedRows:
    """Rows of a raw day: their coded columns, labels (float64, NaN when unlabelled), hashes of ids and split codes."""

    columns: dict[str, CodedColumn]
    labels: npt.NDArray[np.float64]
    id_hashes: npt.NDArray[np.uint64]
    splits: npt.NDArray[np.int8]

    def feature(self, feature: Feature) -> CodedColumn:
        """The column of a feature; a cross is made of its two columns' codes, its strings only of the pairs seen."""
        if not feature.is_cross:
            return self.columns[feature.name]
        first, second = (self.columns[name] for name in feature.columns)
        seen, codes = distinct_pairs(first, second)
        left = first.values.take(pa.array(seen // max(1, len(second.values))))
        right = second.values.take(pa.array(seen % max(1, len(second.values))))
        return CodedColumn(cross_names(left, right), codes)


def distinct_pairs(first: CodedColumn, second: CodedColumn) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The pairs of values that occur, ascending, and the position among them of each row's pair.

    A pair is ``first's code * len(second.values) + second's code``: below 2^62, since codes are int32.
    """
    possible = len(first.values) * len(second.values)
    pairs = first.codes.astype(np.int64) * len(second.values) + second.codes
    if possible > _MOST_COUNTED_PAIRS:
        seen, codes = np.unique(pairs, return_inverse=True)
        return seen, codes.astype(np.int32)
    seen = np.flatnonzero(np.bincount(pairs, minlength=possible))
    position = np.zeros(possible, dtype=np.int32)
    position[seen] = np.arange(len(seen), dtype=np.int32)
    return seen, position[pairs]


def read_raw_file(store: Store, version: VersionName, file: DataFile) -> CodedRows:
    """Read one file of a raw day, at most ``MAX_PART_ROWS`` rows."""
    with store.parquet(version, file, read_dictionary=list(CATEGORICAL_COLUMNS)) as parquet:
        return code_rows(parquet.read())


def code_rows(table: pa.Table) -> CodedRows:
    """Rows of ``raw_impressions``, their categorical columns as dictionaries."""
    columns = {name: _coded(table[name]) for name in CATEGORICAL_COLUMNS}
    hours = pc.hour(table["hour"]).to_numpy()
    columns[HOUR_OF_DAY] = CodedColumn(pa.array([f"{hour:02d}" for hour in range(24)]), hours.astype(np.int32))
    labels = pc.cast(table["click"], pa.float64()).to_numpy()
    hashes = stable_hash(table["id"].combine_chunks())
    return CodedRows(columns, labels, hashes, split_codes(hashes, ~np.isnan(labels)))


def _coded(column: pa.ChunkedArray) -> CodedColumn:
    array = column.unify_dictionaries().combine_chunks()
    return CodedColumn(array.dictionary, array.indices.to_numpy())
