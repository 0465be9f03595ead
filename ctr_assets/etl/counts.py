"""How often each value of each feature occurs in a raw file: what a vocabulary is counted from.

The counts are a file beside the rows, with a row group for each bucket of keys, so that the vocabulary reads no rows.
They hold for one set of features, one split and one number of buckets: the raw manifest says which.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctr_assets.etl.columns import CodedColumn, CodedRows, read_raw_file
from ctr_assets.features import FEATURES, Split
from ctr_assets.split import TEST_SHARE, VALIDATION_SHARE
from ctr_assets.storage import DataFile, Manifest, ParquetPart, Store, TableVersion
from ctr_assets.storage.entries import keys_of
from ctr_assets.storage.manifest import VersionName, fingerprint
from ctr_assets.storage.parts import COMPACT_ENCODING
from ctr_assets.storage.segments import BUCKETS, bucket_of

COUNTS_SCHEMA: Final = pa.schema([("feature", pa.int8()), ("value", pa.string()), ("count", pa.int64())])
"""``feature`` is a position among ``FEATURES``; ``count`` is of training rows, 0 for a value that has none."""
COUNTS: Final = "counts"
"""Property of a raw manifest: what its counts were made for, and the counts of each of its files, in their order."""

_OPTIONS: Final = {"use_dictionary": False, "write_statistics": False, "column_encoding": COMPACT_ENCODING}

Buckets = list[pa.Table]
"""Counts of each bucket (``COUNTS_SCHEMA``)."""


def counts_property(files: Iterable[DataFile]) -> dict[str, Any]:
    """The value of ``COUNTS`` for counts that were made now."""
    return {"made_for": _made_for(), "files": [file.model_dump() for file in files]}


def find_counts(raw: Manifest) -> list[DataFile] | None:
    """The counts of each file of a raw day; None where it has none, or they were made for other features or splits."""
    counts = raw.properties.get(COUNTS, {})
    if counts.get("made_for") != _made_for():
        return None
    return [DataFile.model_validate(file) for file in counts["files"]]


def _made_for() -> str:
    """Fingerprint of all that the counts of given rows depend on."""
    features = [(feature.name, feature.columns) for feature in FEATURES]
    return fingerprint([features, TEST_SHARE, VALIDATION_SHARE, BUCKETS])


def count_values(rows: CodedRows) -> Buckets:
    """The counts of the values that occur in some rows."""
    training = np.flatnonzero(rows.splits == Split.TRAIN.code)
    table = pa.concat_tables([_count(i, rows.feature(feature), training) for i, feature in enumerate(FEATURES)])
    buckets = bucket_of(keys_of(table["feature"].to_numpy(), table["value"].combine_chunks()))
    in_order = table.take(pa.array(np.argsort(buckets, kind="stable")))
    ends = np.cumsum(np.bincount(buckets.astype(np.int64), minlength=BUCKETS)).tolist()
    return [in_order.slice(start, end - start) for start, end in pairwise([0, *ends])]


def _count(position: int, column: CodedColumn, training: npt.NDArray[np.intp]) -> pa.Table:
    occurs = np.flatnonzero(column.counts())  # a dictionary may hold values of rows that were left out
    values, counts = column.values.take(pa.array(occurs)), column.counts(training)[occurs]
    return pa.table([np.full(len(occurs), position, np.int8), values, counts], schema=COUNTS_SCHEMA)


def add_up(tables: Iterable[pa.Table]) -> pa.Table:
    """Counts as one table, each value once (``COUNTS_SCHEMA``)."""
    together = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    return together.group_by(["feature", "value"]).aggregate([("count", "sum")]).rename_columns(COUNTS_SCHEMA.names)


def write_counts(version: TableVersion, rows_file: str, counted: list[Buckets]) -> DataFile:
    """Write the counts of all row groups of a raw file beside it."""
    part = ParquetPart(version.store, version.folder, f"{COUNTS}-{rows_file}", COUNTS_SCHEMA, **_OPTIONS)
    for of_bucket in zip(*counted, strict=True):
        part.write(of_bucket[0] if len(of_bucket) == 1 else add_up(of_bucket))
    return part.close()


def read_counts(store: Store, version: VersionName, file: DataFile, bucket: int) -> pa.Table:
    """The counts of one bucket of a raw file. Raises UnreadableError."""
    with store.parquet(version, file) as parquet:
        return parquet.read_row_group(bucket)


def count_file(version: TableVersion, rows_of: VersionName, file: DataFile) -> DataFile:
    """Read a raw file and write the counts of its rows into ``version``."""
    return write_counts(version, file.name, [count_values(read_raw_file(version.store, rows_of, file))])
