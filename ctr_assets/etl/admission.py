"""One bucket of a day's vocabulary: which of its values are known, which earn an id, and which go on waiting."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from ctr_assets.etl.counts import COUNTS_SCHEMA, add_up
from ctr_assets.features import FEATURES
from ctr_assets.storage import DataFile, Manifest, Store, TableVersion
from ctr_assets.storage.entries import NO_ENTRIES, Entries, keys_of, look_up, merge, merge_in_pieces, sorted_entries
from ctr_assets.storage.ipc import to_ipc
from ctr_assets.storage.segments import Segment, bucket_of, read_bucket, write_entries
from ctr_assets.storage.vocabulary import index_file, known_file, read_former_counts, read_new


@dataclass(frozen=True)
class Before:
    """What a vocabulary continues: that of the day before, and its segments, oldest first.

    Those from position ``merged_from`` on are merged with the segment of the new day.
    """

    vocabulary: Manifest
    segments: tuple[Segment, ...]
    merged_from: int


@dataclass(frozen=True)
class BucketOutcome:
    """``admitted``: the values that earned an id, with their counts so far, as Arrow IPC of ``COUNTS_SCHEMA``.

    ``known`` and ``index`` are the files written, None where there was nothing to write.
    """

    bucket: int
    admitted: bytes
    known: DataFile | None
    index: DataFile | None


def admit(
    version: TableVersion, bucket: int, counts: Iterable[pa.Table], before: Before | None, limits: Mapping[str, int]
) -> BucketOutcome:
    """Look up the values of a bucket that occur on a day, and write what became known of them.

    ``counts`` are those of each raw file (``COUNTS_SCHEMA``). A value that is known and does not occur costs nothing
    before a merge.
    """
    known_before = _KnownBefore(version.store, bucket, before)
    limit = np.array([limits[feature.name] for feature in FEATURES])
    counted = add_up([*counts, known_before.admissible(limits)])
    values = counted["value"].combine_chunks()
    features, count = counted["feature"].to_numpy(), counted["count"].to_numpy()
    keys = keys_of(features, values)
    states = look_up(known_before.newest_first(), keys, values)
    is_known = states > 0
    totals = count - np.minimum(states, 0)
    is_admitted = ~is_known & (totals >= limit[features])
    is_waiting = ~is_known & ~is_admitted & (count > 0)

    def entries(rows: np.ndarray, of: np.ndarray) -> Entries:
        return sorted_entries(keys[rows], of[rows].astype(np.int32), values.filter(pa.array(rows)))

    index = merge_in_pieces([[entries(is_waiting, -totals)], *known_before.to_merge()])
    admitted = pa.table([features, values, totals], schema=COUNTS_SCHEMA).filter(pa.array(is_admitted))
    return BucketOutcome(
        bucket,
        to_ipc(admitted),
        write_entries(version, known_file(bucket), [entries(is_known, states)]),
        write_entries(version, index_file(bucket), index),
    )


class _KnownBefore:
    """What is known of the values of a bucket when a day begins."""

    def __init__(self, store: Store, bucket: int, before: Before | None) -> None:
        self._store, self._bucket, self._before = store, bucket, before
        #: The ids of the day before, which no segment has yet.
        self._newest = NO_ENTRIES if before is None else merge([*self._of_the_day_before(before)])

    def newest_first(self) -> Iterator[Entries]:
        yield self._newest
        yield from chain.from_iterable(self._of_segments(0))

    def to_merge(self) -> list[list[Entries]]:
        """The ids of the day before and the segments that are merged with them, newest first."""
        merged_from = 0 if self._before is None else self._before.merged_from
        return [[self._newest], *map(list, self._of_segments(merged_from))]

    def admissible(self, limits: Mapping[str, int]) -> pa.Table:
        """Values that waited for more than they need now, with a count of 0: they need not occur again.

        Looks at all that wait, so it is done on a day alone whose ``min_counts`` are lower.
        """
        former = {} if self._before is None else self._before.vocabulary.properties["min_counts"]
        found = [COUNTS_SCHEMA.empty_table()]
        for position, feature in enumerate(FEATURES):
            limit = limits[feature.name]
            if limit < former.get(feature.name, 0):
                entries = merge([part.of_feature(position) for part in self.newest_first()])
                values = entries.where(entries.states <= -limit).values
                columns = [np.full(len(values), position, np.int8), values, np.zeros(len(values), np.int64)]
                found.append(pa.table(columns, schema=COUNTS_SCHEMA))
        return pa.concat_tables(found)

    def _of_segments(self, first: int) -> Iterator[Iterator[Entries]]:
        segments = () if self._before is None else self._before.segments[first:]
        return (read_bucket(self._store, each, self._bucket) for each in reversed(segments))

    def _of_the_day_before(self, before: Before) -> Iterator[Entries]:
        for part in chain(read_new(self._store, before.vocabulary), read_former_counts(self._store, before.vocabulary)):
            yield part.where(bucket_of(part.keys) == self._bucket)
