"""How often each value of each feature occurs in a raw file: what a vocabulary is counted from."""

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa

from ctr_assets.etl.columns import RawFile
from ctr_assets.features import FEATURES, Split
from ctr_assets.storage.entries import keys_of
from ctr_assets.storage.segments import BUCKETS, bucket_of

COUNTS_SCHEMA: Final = pa.schema([("feature", pa.int8()), ("value", pa.string()), ("count", pa.int64())])
"""``feature`` is a position among ``FEATURES``; ``count`` is of training rows, 0 for a value that has none."""


def count_values(rows: RawFile) -> Iterator[pa.Table]:
    """The counts of a file's values, a table for each bucket (``COUNTS_SCHEMA``)."""
    training = rows.splits == Split.TRAIN.code
    found: list[list[pa.Table]] = [[] for _ in range(BUCKETS)]
    for position, feature in enumerate(FEATURES):
        column = rows.feature(feature)
        count = pa.array(column.counts(training), pa.int64())
        buckets = bucket_of(keys_of(position, column.values))
        table = pa.table([pa.repeat(pa.scalar(position, pa.int8()), len(count)), column.values, count], COUNTS_SCHEMA)
        for bucket, of_bucket in enumerate(found):
            of_bucket.append(table.filter(pa.array(buckets == bucket)))
    return (pa.concat_tables(of_bucket) for of_bucket in found)


def add_up(tables: Iterable[pa.Table]) -> pa.Table:
    """The counts of several files as one, each value once (``COUNTS_SCHEMA``)."""
    together = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    return together.group_by(["feature", "value"]).aggregate([("count", "sum")]).rename_columns(COUNTS_SCHEMA.names)
