"""Streaming the rows of a split, row group by row group: what is in memory are a few row groups, never a day."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ctr_assets.features import Split
from ctr_assets.storage.manifest import Manifest
from ctr_assets.storage.prefetch import prefetched
from ctr_assets.storage.store import Store
from ctr_assets.tables import ENCODED_FEATURES, RAW_IMPRESSIONS, RAW_SCHEMA


def split_row_groups(metadata: pq.FileMetaData, splits: Collection[Split], path: str) -> list[int]:
    """Indices of the row groups of the file at ``path`` that hold rows of ``splits``, from the statistics alone.

    Raises ValueError when a row group has no statistics or holds rows of several splits: not an encoded file.
    """
    column = metadata.schema.to_arrow_schema().get_field_index("split")
    wanted = {split.code for split in splits}
    indices = []
    for index in range(metadata.num_row_groups):
        statistics = metadata.row_group(index).column(column).statistics
        if statistics is None or not statistics.has_min_max or statistics.min != statistics.max:
            raise ValueError(
                f"row group {index} of {path} does not hold rows of exactly one split: not written by the encoder; "
                f"materialize {ENCODED_FEATURES} for its day again"
            )
        if statistics.min in wanted:
            indices.append(index)
    return indices


def iter_split(
    store: Store, encoded: Manifest, splits: Collection[Split], columns: Sequence[str]
) -> Iterator[tuple[int, pa.Table]]:
    """Yield ``(file index, one row group)`` of the rows of ``splits`` of one encoded day, in file order.

    Other row groups are never read. A table has at most ``ENCODED_ROW_GROUP_ROWS`` rows; the next one is read while
    the caller is busy with it.
    """

    def read() -> Iterator[tuple[int, pa.Table]]:
        for file_index, file in enumerate(encoded.files):
            with store.parquet(encoded, file) as parquet:
                for group in split_row_groups(parquet.metadata, splits, store.file_path(encoded, file)):
                    yield file_index, parquet.read_row_group(group, columns=list(columns), use_threads=store.is_local)

    return prefetched(read(), 1)


def raw_of(store: Store, encoded: Manifest) -> Manifest:
    """The raw day that an encoded day was made from. Raises ValueError when it is no longer the current one."""
    day = encoded.partition
    raw = store.manifest(RAW_IMPRESSIONS, day)
    expected = encoded.inputs.get(raw.reference)
    if raw.version != expected:
        raise ValueError(
            f"{ENCODED_FEATURES}[{day}] was made from version {expected} of {RAW_IMPRESSIONS}[{day}], which is now "
            f"{raw.version}: materialize {ENCODED_FEATURES} for {day} again"
        )
    if len(raw.files) != len(encoded.files):
        raise ValueError(
            f"{ENCODED_FEATURES}[{day}] has {len(encoded.files)} files, {RAW_IMPRESSIONS}[{day}] has "
            f"{len(raw.files)}: materialize {ENCODED_FEATURES} for {day} again"
        )
    return raw


class RawRows:
    """The raw ``columns`` of encoded rows, from the very ``raw_impressions`` version that the day was encoded from.

    Holds one row group at a time; rows asked for in ascending order read each row group once.
    """

    def __init__(self, store: Store, encoded: Manifest, columns: Sequence[str]) -> None:
        """Raises ValueError when that raw version is no longer the current one."""
        self.raw, self.columns = raw_of(store, encoded), list(columns)
        self._store = store
        self._file_index: int | None = None
        self._parquet: pq.ParquetFile | None = None
        self._starts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._group: tuple[int, pa.Table] | None = None

    def take(self, file_index: int, rows: npt.NDArray[np.int32]) -> pa.Table:
        """The raw rows at positions ``rows`` (ascending, shape ``(n,)``) of raw file ``file_index``; length n."""
        parquet = self._open(file_index)
        parts: list[pa.Table] = []
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        for group in np.unique(groups):
            if self._group is None or self._group[0] != group:
                self._group = (group, parquet.read_row_group(int(group), columns=self.columns))
            positions = rows[groups == group] - self._starts[group]
            parts.append(self._group[1].take(pa.array(positions)))
        return pa.concat_tables(parts) if parts else RAW_SCHEMA.empty_table().select(self.columns)

    def close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
            self._parquet = None

    def _open(self, file_index: int) -> pq.ParquetFile:
        if self._parquet is None or self._file_index != file_index:
            self.close()
            self._file_index, self._group = file_index, None
            self._parquet = self._store.parquet(self.raw, self.raw.files[file_index])
            metadata = self._parquet.metadata
            sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            self._starts = np.cumsum([0, *sizes[:-1]])
        return self._parquet
