"""Repeated ids within a day: the first row in file order is kept. One pass over the id column when none repeat."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctr_assets.etl.parse import PARSED_SCHEMA, RAW_PARQUET_OPTIONS
from ctr_assets.features import CATEGORICAL_COLUMNS
from ctr_assets.split import stable_hash
from ctr_assets.storage import DataFile, ParquetPart, TableVersion


def deduplicate(version: TableVersion, files: list[DataFile]) -> tuple[list[DataFile], list[int]]:
    """Files of a day without repeated ids, and the rows that each of the given files lost; only those are rewritten."""
    if not files:
        return files, []
    ids = [_ids(version, file) for file in files]
    hashes = np.concatenate([stable_hash(chunk) for chunk in ids])
    ordered = np.sort(hashes)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return files, [0] * len(files)
    suspects = np.flatnonzero(np.isin(hashes, repeated))
    suspect_ids = pa.chunked_array(ids).take(pa.array(suspects))
    first = pa.table({"id": suspect_ids, "row": suspects}).group_by("id").aggregate([("row", "min")])["row_min"]
    dropped = np.setdiff1d(suspects, first.to_numpy())
    kept = np.ones(len(hashes), dtype=bool)
    kept[dropped] = False
    result, lost, start = [], [], 0
    for file in files:
        mask = kept[start : start + file.rows]
        start += file.rows
        lost.append(int(np.count_nonzero(~mask)))
        if mask.all():
            result.append(file)
        elif mask.any():
            result.append(_rewrite(version, file, mask))
    return result, lost


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
