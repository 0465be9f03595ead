"""Repeated ids within a day: the first row in file order is kept. The ids themselves are read only when some repeat."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctr_assets.etl.counts import count_file
from ctr_assets.etl.parse import PARSED_SCHEMA, RAW_PARQUET_OPTIONS
from ctr_assets.features import CATEGORICAL_COLUMNS
from ctr_assets.storage import DataFile, ParquetPart, TableVersion
from ctr_assets.storage.parts import describe, open_sink

_DELETED_AT_ONCE: Final = 16
"""In object storage a deletion is ~50 ms of waiting."""
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class RawPart:
    """A raw file, the file of its counts, and that of the hashes of its ids, in the order of its rows."""

    rows: DataFile
    counts: DataFile
    hashes: DataFile


def write_hashes(version: TableVersion, rows_file: str, hashes: list[Hashes]) -> DataFile:
    """Keep the hashes of the ids of a raw file's row groups until the day is looked through for repeats."""
    name = f"hashes-{rows_file.removesuffix('.parquet')}"
    with open_sink(version.store, version.folder, name) as sink:
        for of_group in hashes:
            sink.write(of_group)
    return describe(name, sink)


def deduplicate(version: TableVersion, parts: list[RawPart]) -> tuple[list[RawPart], list[int]]:
    """Files of a day without repeated ids, and the rows that each of the given files lost; only those are rewritten."""
    if not parts:
        return parts, []
    buffers = [version.store.buffer(version.name, part.hashes) for part in parts]
    hashes = np.concatenate([np.frombuffer(buffer, np.uint64) for buffer in buffers])
    ordered = np.sort(hashes)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return parts, [0] * len(parts)
    suspects = np.flatnonzero(np.isin(hashes, repeated))
    suspect_ids = pa.chunked_array([_ids(version, part.rows) for part in parts]).take(pa.array(suspects))
    first = pa.table({"id": suspect_ids, "row": suspects}).group_by("id").aggregate([("row", "min")])["row_min"]
    dropped = np.setdiff1d(suspects, first.to_numpy())
    kept = np.ones(len(hashes), dtype=bool)
    kept[dropped] = False
    result, lost, start = [], [], 0
    for part in parts:
        mask = kept[start : start + part.rows.rows]
        start += part.rows.rows
        lost.append(int(np.count_nonzero(~mask)))
        if mask.all():
            result.append(part)
        elif mask.any():
            rows = _rewrite(version, part.rows, mask)
            result.append(RawPart(rows, count_file(version, version.name, rows), part.hashes))
    return result, lost


def discard_hashes(version: TableVersion, parts: Iterable[RawPart]) -> None:
    """Delete the hashes of a day's parts, which nothing reads again."""
    with ThreadPoolExecutor(_DELETED_AT_ONCE) as threads:
        deleted = threads.map(version.store.fs.rm_file, [f"{version.folder}/{part.hashes.name}" for part in parts])
        deque(deleted, maxlen=0)


def _ids(version: TableVersion, file: DataFile) -> pa.Array:
    with version.store.fs.open(f"{version.folder}/{file.name}", "rb") as stream:
        return pc.cast(pq.read_table(stream, columns=["id"])["id"], pa.large_string()).combine_chunks()


def _rewrite(version: TableVersion, file: DataFile, mask: np.ndarray) -> DataFile:
    name = file.name.replace(".parquet", "-unique.parquet")
    part = ParquetPart(version.store, version.folder, name, PARSED_SCHEMA, **RAW_PARQUET_OPTIONS)
    with version.store.fs.open(f"{version.folder}/{file.name}", "rb") as stream:
        parquet = pq.ParquetFile(stream, read_dictionary=list(CATEGORICAL_COLUMNS))
        start = 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            rows = mask[start : start + table.num_rows]
            start += table.num_rows
            if rows.any():
                part.write(table.filter(pa.array(rows)).combine_chunks().cast(PARSED_SCHEMA))
    return part.close()
