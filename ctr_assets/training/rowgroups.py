"""Which Parquet row groups hold the rows of a split, and reading one of them as an int32 matrix."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ctr_assets.features import Split
from ctr_assets.storage import DataFile, Manifest, Store

Matrix = npt.NDArray[np.int32]
"""Rows of ids, shape ``(rows, columns)``, C order: a row is one contiguous piece, so shuffling rows is cheap."""

_FOOTER_READERS = 8
"""Footers read at a time: on object storage one takes ~0.1 s of waiting and next to no work."""


@dataclass(frozen=True)
class RowGroup:
    """One row group of a committed file; all its rows are of one split."""

    manifest: Manifest
    file: DataFile
    index: int
    rows: int
    footer: Any
    """The file's ``FileMetaData``, shared by its row groups, so that reading one does not fetch it again."""


def find_row_groups(store: Store, manifests: Iterable[Manifest], split: Split) -> list[RowGroup]:
    """The non-empty row groups of a split, in the order of the manifests. Reads footers only."""
    named = [(manifest, file) for manifest in manifests for file in manifest.files if file.rows]
    with ThreadPoolExecutor(_FOOTER_READERS) as pool:
        found = pool.map(lambda pair: _row_groups_of_file(store, pair[0], pair[1], split), named)
        return [group for groups in found for group in groups]


def _row_groups_of_file(store: Store, manifest: Manifest, file: DataFile, split: Split) -> list[RowGroup]:
    with _opened(store, manifest, file) as parquet:
        footer = parquet.metadata
    column = footer.schema.to_arrow_schema().get_field_index("split")
    groups = []
    for index in range(footer.num_row_groups):
        row_group = footer.row_group(index)
        statistics = row_group.column(column).statistics
        if statistics is None or not statistics.has_min_max or statistics.min != statistics.max:
            raise ValueError(
                f"row group {index} of {store.file_path(manifest, file)} is not of one split by its statistics: "
                f"materialize {manifest.table} for {manifest.partition} again"
            )
        if statistics.min == split.code and row_group.num_rows:
            groups.append(RowGroup(manifest, file, index, row_group.num_rows, footer))
    return groups


def read_row_group(store: Store, group: RowGroup, columns: Sequence[str]) -> Matrix:
    """The named columns of a row group as a matrix of shape ``(rows, len(columns))``."""
    with _opened(store, group.manifest, group.file, metadata=group.footer) as parquet:
        return to_matrix(parquet.read_row_group(group.index, columns=list(columns), use_threads=False), columns)


@contextmanager
def _opened(store: Store, manifest: Manifest, file: DataFile, **options: Any) -> Iterator[pq.ParquetFile]:
    """A Parquet file that closes what it reads from: ParquetFile leaves a file that it was handed open open, and
    gcsfs then goes on prefetching for it."""
    parquet = store.parquet(manifest, file, **options)
    try:
        yield parquet
    finally:
        parquet.close(force=True)


def to_matrix(table: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Matrix:
    """The named integer columns of a table, in that order, without per-row Python."""
    matrix = np.empty((table.num_rows, len(columns)), dtype=np.int32)
    for position, name in enumerate(columns):
        matrix[:, position] = table.column(name).to_numpy()
    return matrix
