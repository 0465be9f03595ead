"""Which Parquet row groups hold the rows of a split, and reading one of them as an int32 matrix."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctr_assets.features import Split
from ctr_assets.storage import DataFile, Manifest, Store
from ctr_assets.storage.rows import split_row_groups

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
    with store.parquet(manifest, file) as parquet:
        footer = parquet.metadata
    return [
        RowGroup(manifest, file, index, footer.row_group(index).num_rows, footer)
        for index in split_row_groups(footer, [split], store.file_path(manifest, file))
    ]


def read_row_group(store: Store, group: RowGroup, columns: Sequence[str]) -> Matrix:
    """The named columns of a row group as a matrix of shape ``(rows, len(columns))``."""
    with store.parquet(group.manifest, group.file, metadata=group.footer) as parquet:
        return to_matrix(parquet.read_row_group(group.index, columns=list(columns), use_threads=False), columns)


def to_matrix(table: pa.Table | pa.RecordBatch, columns: Sequence[str]) -> Matrix:
    """The named integer columns of a table, in that order, without per-row Python."""
    matrix = np.empty((table.num_rows, len(columns)), dtype=np.int32)
    for position, name in enumerate(columns):
        matrix[:, position] = table.column(name).to_numpy()
    return matrix
