"""The index of a vocabulary: segments of sorted entries, each of some days in a row, merged as they grow in number.

A day adds a segment of what became known on it. When ``FAN_IN`` segments of one size class would stand side by side,
the day's is merged with them into one of the next class (O'Neil et al., "The log-structured merge-tree", 1996). An
entry is written once for each class, the logarithm of the days, and a look-up asks fewer than ``FAN_IN`` segments of
each. A segment has a file for each bucket of keys, so that buckets are looked up and merged side by side.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ctr_assets.storage.damage import UnreadableError
from ctr_assets.storage.entries import Entries, Keys, features_of, keys_of
from ctr_assets.storage.manifest import DataFile, VersionName
from ctr_assets.storage.parts import COMPACT_ENCODING, describe, open_sink, write_parquet
from ctr_assets.storage.store import Store, TableVersion

BUCKETS: Final = 8
"""Files of a segment. Part of the format: changing it orphans old days."""
FAN_IN: Final = 16
"""Segments that are merged into one. Fewer are asked sooner; more are written less often."""
BATCH_ROWS: Final = 1 << 16
"""Entries of a record batch. One value is at most 8 KiB, so that the offsets of a batch fit 32 bits."""
_MAPPED: Final = pa.schema([("key", pa.uint64()), ("state", pa.int32()), ("value", pa.string())])
"""A file of many batches, in Arrow's own format: mapped, so that a look-up reads no more of it than it asks for."""
_WHOLE: Final = pa.schema([("feature", pa.int8()), ("state", pa.int32()), ("value", pa.string())])
"""A file of one batch, as Parquet: a third of the bytes. It is read whole, and its keys are made of what it holds."""
_WHOLE_OPTIONS: Final = {"use_dictionary": False, "write_statistics": False, "column_encoding": COMPACT_ENCODING}


class Segment(VersionName):
    """Entries of the days ``first_day`` to ``partition``, in ``files`` of a version of the latter, by bucket.

    ``chain`` is the file of those days' fingerprints; ``level`` counts the merges that led here.
    """

    first_day: str
    level: int
    files: dict[int, DataFile]
    chain: DataFile


class Index(BaseModel):
    """What was known at the end of a day: ``segments``, oldest first, of ``features`` in the order of their keys."""

    model_config = ConfigDict(frozen=True)

    features: tuple[str, ...]
    segments: tuple[Segment, ...]


def merged_with(segments: Sequence[Segment]) -> tuple[int, int]:
    """Position of the first segment that the next day's is merged with, their number if none is; and its level."""
    first, level = len(segments), 0
    while first >= FAN_IN - 1 and all(each.level == level for each in segments[first - FAN_IN + 1 : first]):
        first, level = first - FAN_IN + 1, level + 1
    return first, level


def bucket_of(keys: Keys) -> Keys:
    """The bucket of each key; shape ``(n,)``."""
    return keys % np.uint64(BUCKETS)


def write_entries(version: TableVersion, name: str, parts: Iterable[Entries]) -> DataFile | None:
    """Write entries, ascending parts of them, as the file ``name`` with its ending; None where there are none."""
    parts = (part for part in parts if len(part))
    head = [*islice(parts, 2)]
    if not head:
        return None
    if len(head) > 1 or len(head[0]) > BATCH_ROWS:
        return _write_mapped(version, f"{name}.arrow", chain(head, parts))
    (whole,) = head
    table = pa.table([features_of(whole.keys), whole.states, whole.values], schema=_WHOLE)
    return write_parquet(version.store, version.folder, f"{name}.parquet", table, **_WHOLE_OPTIONS)


def _write_mapped(version: TableVersion, name: str, parts: Iterable[Entries]) -> DataFile:
    rows = 0
    with open_sink(version.store, version.folder, name) as sink, pa.ipc.new_file(sink, _MAPPED) as writer:
        for part in parts:
            table = pa.table([part.keys, part.states, part.values], schema=_MAPPED)
            writer.write_table(table, max_chunksize=BATCH_ROWS)
            rows += len(part)
    return describe(name, sink, rows)


def read_entries(store: Store, version: VersionName, file: DataFile) -> Iterator[Entries]:
    """The entries of a file, ascending, a batch at a time. Raises UnreadableError."""
    if file.name.endswith(".parquet"):
        with store.parquet(version, file) as parquet:
            (batch,) = parquet.read().to_batches()
        features, states, values = batch.columns
        yield Entries(keys_of(features.to_numpy(), values), states.to_numpy(), values)
        return
    buffer = store.buffer(version, file)
    with store.reading(version, file):
        reader = pa.ipc.open_file(buffer)
        for number in range(reader.num_record_batches):
            keys, states, values = reader.get_batch(number).columns
            yield Entries(keys.to_numpy(), states.to_numpy(), values)


def read_bucket(store: Store, segment: Segment, bucket: int) -> Iterator[Entries]:
    """The entries of one bucket of a segment, ascending. Raises UnreadableError, which says what to make again."""
    if bucket in segment.files:
        try:
            yield from read_entries(store, segment, segment.files[bucket])
        except UnreadableError as e:
            raise UnreadableError(f"{e}, and for every later day") from e
