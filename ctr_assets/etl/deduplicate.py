"""Repeated ids within a day: the first row in file order is kept. The ids themselves are read only when some repeat.

Ids are told apart by hashes that parsing has made anyway. A day's are sought in buckets of hashes, a task each, so that
no task holds all of them.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ctr_assets.etl.counts import count_file
from ctr_assets.etl.parse import PARSED_SCHEMA, RAW_PARQUET_OPTIONS
from ctr_assets.etl.raw_files import Hashes, RawPart
from ctr_assets.etl.tasks import run_tasks
from ctr_assets.features import CATEGORICAL_COLUMNS, ID_COLUMN
from ctr_assets.storage import DataFile, ParquetPart, TableVersion

BUCKET_IDS: Final = 8_000_000
"""Ids that one task looks through; each takes some 30 bytes there."""
_DELETED_AT_ONCE: Final = 16
"""In object storage a deletion is ~50 ms of waiting."""
Rows = npt.NDArray[np.int32]
"""Positions of rows in a raw file."""


def deduplicate(
    spark: SparkSession, versions: Mapping[str, TableVersion], parts: Mapping[str, list[RawPart]]
) -> tuple[dict[str, list[RawPart]], dict[str, list[int]]]:
    """Files of each day without repeated ids, and the rows that each of the given files lost.

    Only files that lost some are written anew; one that lost all is left out.
    """
    lost = _find_lost(spark, versions, parts)

    def rewrite(place: tuple[str, int]) -> RawPart | None:
        day, number = place
        return _without(versions[day], parts[day][number], np.concatenate(lost[place]))

    rewritten = dict(zip(lost, run_tasks(spark, list(lost), rewrite), strict=True))
    kept = {day: [rewritten.get((day, i), part) for i, part in enumerate(of_day)] for day, of_day in parts.items()}
    counts = {place: sum(len(rows) for rows in found) for place, found in lost.items()}
    return (
        {day: [part for part in of_day if part is not None] for day, of_day in kept.items()},
        {day: [counts.get((day, i), 0) for i in range(len(of_day))] for day, of_day in parts.items()},
    )


def discard_hashes(version: TableVersion, parts: Iterable[RawPart]) -> None:
    """Delete the hashes of a day's parts, which nothing reads again."""
    with ThreadPoolExecutor(_DELETED_AT_ONCE) as threads:
        deleted = threads.map(version.store.fs.rm_file, [f"{version.folder}/{part.hashes.name}" for part in parts])
        deque(deleted, maxlen=0)


def _find_lost(
    spark: SparkSession, versions: Mapping[str, TableVersion], parts: Mapping[str, list[RawPart]]
) -> dict[tuple[str, int], list[Rows]]:
    """The rows that a day's part loses, bucket by bucket; of those alone that lose some."""
    buckets = [
        (day, bucket, count)
        for day, of_day in parts.items()
        for count in (-(-sum(part.rows.rows for part in of_day) // BUCKET_IDS),)
        for bucket in range(count)
    ]
    found = run_tasks(spark, buckets, lambda of: _repeats(versions[of[0]], parts[of[0]], of[1], of[2]))
    lost: dict[tuple[str, int], list[Rows]] = {}
    for (day, _, _), of_bucket in zip(buckets, found, strict=True):
        for number, rows in of_bucket.items():
            lost.setdefault((day, number), []).append(rows)
    return lost


def _repeats(version: TableVersion, parts: list[RawPart], bucket: int, buckets: int) -> dict[int, Rows]:
    """The rows of each part whose id, one of a bucket of hashes, came in an earlier row of the day."""
    hashes, rows = zip(*(_of_bucket(version, part, bucket, buckets) for part in parts), strict=True)
    ordered = np.sort(np.concatenate(hashes))
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return {}
    suspects = [of[np.isin(each, repeated)] for each, of in zip(hashes, rows, strict=True)]
    ids = [_ids(version, part.rows, of) for part, of in zip(parts, suspects, strict=True) if len(of)]
    numbers = np.repeat(np.arange(len(parts)), [len(of) for of in suspects])
    order = pa.table({"id": pa.chunked_array(ids), "position": np.arange(len(numbers))})
    first = order.group_by("id").aggregate([("position", "min")])["position_min"].to_numpy()
    again = np.ones(len(numbers), dtype=bool)
    again[first] = False
    together = np.concatenate(suspects)
    return {number: together[again & (numbers == number)] for number in np.unique(numbers[again]).tolist()}


def _of_bucket(version: TableVersion, part: RawPart, bucket: int, buckets: int) -> tuple[Hashes, Rows]:
    """The hashes of a part's ids that are of one bucket, and their rows."""
    hashes = np.frombuffer(version.store.buffer(version.name, part.hashes), np.uint64)
    high = hashes >> np.uint64(32)
    rows = np.flatnonzero(high * np.uint64(buckets) >> np.uint64(32) == bucket).astype(np.int32)
    return hashes[rows], rows


def _ids(version: TableVersion, file: DataFile, rows: Rows) -> pa.Array:
    with version.store.parquet(version.name, file) as parquet:
        ids = parquet.read(columns=[ID_COLUMN])[ID_COLUMN]
    return pc.cast(ids.take(pa.array(rows)), pa.large_string()).combine_chunks()


def _without(version: TableVersion, part: RawPart, lost: Rows) -> RawPart | None:
    """The part without some of its rows; None when it has no others."""
    if len(lost) == part.rows.rows:
        return None
    kept = np.ones(part.rows.rows, dtype=bool)
    kept[lost] = False
    rows = _rewrite(version, part.rows, kept)
    return RawPart(rows, count_file(version, version.name, rows), part.hashes)


def _rewrite(version: TableVersion, file: DataFile, mask: npt.NDArray[np.bool_]) -> DataFile:
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
