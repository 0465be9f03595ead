"""``impression_profile``: how often each value of each column occurs in a day and is clicked. Exact, of all rows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from ctr_assets.etl.columns import read_raw_file
from ctr_assets.features import BASE_COLUMNS, LONG_FEATURES
from ctr_assets.split import stable_hash
from ctr_assets.storage import DataFile, Manifest, Store, write_parquet
from ctr_assets.storage.ipc import from_ipc, to_ipc
from ctr_assets.tables import IMPRESSION_PROFILE, PROFILE_SCHEMA, RAW_IMPRESSIONS, columns_of

TOP_VALUES: Final = 100
"""Values kept of each column: every value of the short columns, the head of the long ones."""
_BUCKETS: Final = 8
_COUNTS: Final = pa.schema(
    [("value", pa.string()), ("rows", pa.int64()), ("labelled_rows", pa.int64()), ("clicks", pa.int64())]
)
_Key = tuple[str, str, int]


def profile(
    spark: SparkSession, store: Store, days: list[str], created_by: Mapping[str, str]
) -> dict[str, tuple[Manifest, pa.Table]]:
    """Commit the profile of each of ``days``; returns manifest and table. The cardinalities are in the properties."""
    raws = {day: store.manifest(RAW_IMPRESSIONS, day) for day in days}
    files = [(raw, file) for raw in raws.values() for file in raw.files]
    partitions = max(1, spark.sparkContext.defaultParallelism)
    summaries = (
        spark.sparkContext.parallelize(files, max(1, len(files)))
        .flatMap(lambda item: _count(store, *item))
        .groupByKey(partitions)
        .map(lambda group: (group[0], *_summarise(group[1])))
        .collect()
    )
    heads: dict[tuple[str, str], list[pa.Table]] = {}
    cardinality: dict[str, dict[str, int]] = {day: dict.fromkeys(BASE_COLUMNS, 0) for day in days}
    for (day, column, _), distinct, head in summaries:
        heads.setdefault((day, column), []).append(from_ipc(head))
        cardinality[day][column] += distinct
    committed = {}
    for day in days:
        tables = [_top(pa.concat_tables(heads[day, c]), c) for c in BASE_COLUMNS if (day, c) in heads]
        table = pa.concat_tables(tables) if tables else PROFILE_SCHEMA.empty_table()
        version = store.begin(IMPRESSION_PROFILE, day)
        manifest = version.commit(
            [write_parquet(store, version.folder, "profile.parquet", table)],
            columns_of(PROFILE_SCHEMA),
            inputs=[raws[day]],
            properties={"cardinality": cardinality[day]},
            created_by=created_by,
        )
        committed[day] = manifest, table
    return committed


def _count(store: Store, raw: Manifest, file: DataFile) -> Iterator[tuple[_Key, bytes]]:
    rows = read_raw_file(store, raw, file)
    labelled, clicked = np.flatnonzero(~np.isnan(rows.labels)), np.flatnonzero(rows.labels == 1)
    for name, column in rows.columns.items():
        counts = [column.counts(), column.counts(labelled), column.counts(clicked)]
        table = pa.table([column.values, *(pa.array(c, pa.int64()) for c in counts)], schema=_COUNTS)
        table = table.filter(pc.greater(table["rows"], 0))
        buckets = np.zeros(table.num_rows, dtype=np.uint64)
        if name in LONG_FEATURES:
            buckets = stable_hash(table["value"].combine_chunks()) % np.uint64(_BUCKETS)
        for bucket in np.unique(buckets):
            yield (raw.partition, name, int(bucket)), to_ipc(table.filter(pa.array(buckets == bucket)))


def _summarise(blobs: Iterable[bytes]) -> tuple[int, bytes]:
    """Number of distinct values of a bucket, and its most frequent ones."""
    merged = pa.concat_tables(from_ipc(blob) for blob in blobs).group_by("value")
    summed = merged.aggregate([(name, "sum") for name in _COUNTS.names[1:]]).rename_columns(_COUNTS.names)
    return summed.num_rows, to_ipc(_head(summed))


def _head(table: pa.Table) -> pa.Table:
    return table.sort_by([("rows", "descending"), ("value", "ascending")]).slice(0, TOP_VALUES)


def _top(table: pa.Table, column: str) -> pa.Table:
    head = _head(table)
    return pa.table(
        [
            pa.repeat(column, head.num_rows),
            pa.array(np.arange(1, head.num_rows + 1), pa.int32()),
            *head.select(_COUNTS.names).columns,
        ],
        schema=PROFILE_SCHEMA,
    )
