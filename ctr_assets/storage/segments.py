"""The index of a vocabulary: segments of sorted entries, each of some days in a row, merged as they grow in number.

A day adds a segment of what became known on it. When ``FAN_IN`` segments of one size class would stand side by side,
the day's is merged with them into one of the next class (O'Neil et al., "The log-structured merge-tree", 1996). An
entry is written once for each class, the logarithm of the days, and a look-up asks fewer than ``FAN_IN`` segments of
each. A segment has a file for each bucket of keys, so that buckets are looked up and merged side by side.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ctr_assets.storage.damage import UnreadableError
from ctr_assets.storage.entries import ENTRIES_SCHEMA, Entries, Keys
from ctr_assets.storage.manifest import DataFile, VersionName
from ctr_assets.storage.parts import describe, write_bytes
from ctr_assets.storage.store import Store, TableVersion

BUCKETS: Final = 8
"""Files of a segment. Part of the format: changing it orphans old days."""
FAN_IN: Final = 8
MAX_SEGMENT_BYTES: Final = 2 << 30
"""Segments that are larger together are not merged: bounds the longest day, and a merge's memory to 1 GB a bucket."""
_BATCH_ROWS: Final = 1 << 16
"""Entries of a record batch. One value is at most 8 KiB, so that the offsets of a batch fit 32 bits."""


class Segment(VersionName):
    """Entries of the days ``first_day`` to ``partition``, in ``files`` of a version of the latter, by bucket.

    ``chain`` is the file of those days' fingerprints; ``level`` counts the merges that led here.
    """

    first_day: str
    level: int
    files: dict[int, DataFile]
    chain: DataFile

    @property
    def bytes(self) -> int:
        """Size of the files of all buckets."""
        return sum(file.bytes for file in self.files.values())


class Index(BaseModel):
    """What was known at the end of a day: ``segments``, oldest first, of ``features`` in the order of their keys."""

    model_config = ConfigDict(frozen=True)

    features: tuple[str, ...]
    segments: tuple[Segment, ...]


def merged_with(segments: Sequence[Segment]) -> tuple[int, int]:
    """Position of the first segment that the next day's is merged with, their number if none is; and its level."""
    first, level = len(segments), 0
    while first >= FAN_IN - 1:
        run = segments[first - FAN_IN + 1 : first]
        if any(each.level != level for each in run) or sum(each.bytes for each in segments[first - FAN_IN + 1 :]) > (
            MAX_SEGMENT_BYTES
        ):
            break
        first, level = first - FAN_IN + 1, level + 1
    return first, level


def bucket_of(keys: Keys) -> Keys:
    """The bucket of each key; shape ``(n,)``."""
    return keys % np.uint64(BUCKETS)


def write_entries(version: TableVersion, name: str, entries: Entries) -> DataFile:
    """Write entries as an Arrow file, compressed where a single batch holds them all: others are mapped, not read."""
    table = pa.table([entries.keys, entries.states, entries.values], schema=ENTRIES_SCHEMA)
    options = pa.ipc.IpcWriteOptions(compression="zstd" if len(entries) <= _BATCH_ROWS else None)
    with (
        write_bytes(version.store, version.folder, name) as sink,
        pa.ipc.new_file(sink, ENTRIES_SCHEMA, options=options) as writer,
    ):
        writer.write_table(table, max_chunksize=_BATCH_ROWS)
    return describe(name, sink, len(entries))


def read_entries(store: Store, version: VersionName, file: DataFile) -> Iterator[Entries]:
    """The entries of a file, ascending, a batch at a time. Raises UnreadableError."""
    buffer = store.buffer(version, file)
    with store.reading(version, file):
        reader = pa.ipc.open_file(buffer)
        if reader.schema != ENTRIES_SCHEMA:
            raise ValueError(f"it has the columns {', '.join(reader.schema.names)}")
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
