"""``feature_vocabulary``: per feature the ids of its values. Append-only: a day adds values, an id never changes.

Rows count only when they train (the ``train`` split). Tasks count the values of a file. The counts are shuffled by
feature, those of the long features by bucket of the value. Each bucket then walks through the days in order. A value
gets an id on the first day its accumulated count reaches the feature's ``min_count``; until then its count is kept in
the day's *pending* file. Ids of a day are handed out by descending count, then by value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from ctr_assets.etl.columns import read_raw_file
from ctr_assets.features import FEATURE_BY_NAME, FEATURES, LONG_FEATURES, Split
from ctr_assets.split import stable_hash
from ctr_assets.storage import DataFile, Manifest, Store, TableVersion, fingerprint, write_parquet
from ctr_assets.storage.ipc import from_ipc, to_ipc
from ctr_assets.storage.vocabulary import open_vocabulary, write_vocabulary
from ctr_assets.tables import FEATURE_VOCABULARY, RAW_IMPRESSIONS, VOCABULARY_SCHEMA, columns_of

BUCKETS: Final = 8
"""Buckets of a long feature, and pending files of a day. Part of the table's format: changing it orphans old days."""
PENDING_SCHEMA: Final = pa.schema([("feature", pa.string()), ("value", pa.string()), ("count", pa.int64())])
_PENDING_OPTIONS: Final = {"use_dictionary": ["feature", "count"], "write_statistics": False}  # no value repeats
_COUNTS: Final = pa.schema([("value", pa.string()), ("count", pa.int64())])


@dataclass(frozen=True)
class _Admission:
    """Values that earned an id on a day, with their accumulated counts, as Arrow IPC of ``value, count``."""

    day: str
    feature: str
    values: bytes


def build(
    spark: SparkSession,
    store: Store,
    days: list[str],
    previous_day: str | None,
    min_counts: Mapping[str, int],
    created_by: Mapping[str, str],
) -> dict[str, Manifest]:
    """Commit the vocabulary of each of ``days`` (ascending, without gaps), continuing that of ``previous_day``.

    ``min_counts`` overrides the features' own. Raises NotMaterializedError when the previous day's vocabulary or a
    day's raw table is missing.
    """
    previous = None if previous_day is None else store.manifest(FEATURE_VOCABULARY, previous_day)
    raws = {day: store.manifest(RAW_IMPRESSIONS, day) for day in days}
    versions = {day: store.begin(FEATURE_VOCABULARY, day) for day in days}
    files = [(raw, file) for raw in raws.values() for file in raw.files]
    limits = {f.name: min_counts.get(f.name, f.min_count) for f in FEATURES}
    counts = spark.sparkContext.parallelize(files, max(1, len(files))).flatMap(lambda item: _count(store, *item))
    outcomes = (
        counts.partitionBy(BUCKETS, partitionFunc=lambda key: key[1])
        .mapPartitionsWithIndex(lambda index, found: [_walk(index, found, previous, versions, limits)])
        .collect()
    )
    admitted: dict[tuple[str, str], list[pa.Table]] = {}
    pending: dict[str, list[DataFile]] = {day: [] for day in days}
    for admissions, pending_files in outcomes:
        for admission in admissions:
            admitted.setdefault((admission.day, admission.feature), []).append(from_ipc(admission.values))
        for day, file in pending_files:
            pending[day].append(file)
    current = load_vocabulary(store, previous) if previous else {f.name: pa.array([], pa.string()) for f in FEATURES}
    chain = dict(previous.properties["chain"]) if previous else {}
    committed: dict[str, Manifest] = {}
    for day in days:
        new = {f.name: _in_order(admitted.get((day, f.name), [])) for f in FEATURES}
        chain[day] = fingerprint(
            [chain[max(chain)] if chain else "", *(fingerprint(new[f.name].to_pylist()) for f in FEATURES)]
        )
        current = {name: pa.concat_arrays([values, new[name]]) for name, values in current.items()}
        committed[day] = versions[day].commit(
            [write_vocabulary(versions[day], current), *sorted(pending[day], key=lambda f: f.name)],
            columns_of(VOCABULARY_SCHEMA),
            inputs=[m for m in (raws[day], previous) if m],
            properties={
                "sizes": {name: len(values) for name, values in current.items()},
                "new": {name: len(values) for name, values in new.items()},
                "min_counts": limits,
                "chain": dict(chain),
            },
            created_by=created_by,
        )
        previous = committed[day]
    return committed


def _count(store: Store, raw: Manifest, file: DataFile) -> Iterator[tuple[tuple[str, int], tuple[str, bytes]]]:
    """Day and counts of every feature's values in the training rows of a file, keyed by feature and bucket."""
    rows = read_raw_file(store, raw, file)
    training = rows.splits == Split.TRAIN.code
    for position, feature in enumerate(FEATURES):
        column = rows.feature(feature)
        counts = column.counts(training)
        seen = np.flatnonzero(counts)
        values = column.values.take(pa.array(seen))
        table = pa.table([values, pa.array(counts[seen], pa.int64())], schema=_COUNTS)
        if feature.name not in LONG_FEATURES:
            yield (feature.name, position % BUCKETS), (raw.partition, to_ipc(table))
            continue
        buckets = stable_hash(values) % np.uint64(BUCKETS)
        for bucket in range(BUCKETS):
            yield (feature.name, bucket), (raw.partition, to_ipc(table.filter(pa.array(buckets == bucket))))


def _walk(
    bucket: int,
    found: Iterable[tuple[tuple[str, int], tuple[str, bytes]]],
    previous: Manifest | None,
    versions: Mapping[str, TableVersion],
    limits: Mapping[str, int],
) -> tuple[list[_Admission], list[tuple[str, DataFile]]]:
    """Accumulate one bucket day by day: what each day admits, and what stays pending."""
    store = next(iter(versions.values())).store
    counted: dict[str, list[tuple[str, pa.Table]]] = {}
    for (feature, _), (day, counts) in found:
        counted.setdefault(feature, []).append((day, from_ipc(counts)))
    known = load_vocabulary(store, previous) if previous else {}
    waiting = _read_pending(store, previous, bucket)
    admissions: list[_Admission] = []
    pending: dict[str, list[pa.Table]] = {day: [] for day in versions}
    for feature in sorted({*counted, *waiting}):
        walk = _walk_feature(
            waiting.get(feature, _COUNTS.empty_table()),
            counted.get(feature, []),
            list(versions),
            known.get(feature, pa.array([], pa.string())),
            limits[feature],
        )
        for day, admitted, still_waiting in walk:
            if admitted.num_rows:
                admissions.append(_Admission(day, feature, to_ipc(admitted)))
            if still_waiting.num_rows:
                pending[day].append(still_waiting.add_column(0, "feature", pa.repeat(feature, still_waiting.num_rows)))
    name = f"pending-{bucket:05d}.parquet"
    files = [
        (
            day,
            write_parquet(
                store, versions[day].folder, name, pa.concat_tables(tables).cast(PENDING_SCHEMA), **_PENDING_OPTIONS
            ),
        )
        for day, tables in pending.items()
        if tables
    ]
    return admissions, files


def _walk_feature(
    waiting: pa.Table, counted: list[tuple[str, pa.Table]], days: list[str], known: pa.Array, limit: int
) -> Iterator[tuple[str, pa.Table, pa.Table]]:
    """Day by day, in the order of values: ``_COUNTS`` of the values that the day admits, and of those that still wait.

    A value is looked up once, however many days there are; from there on it is a position in an array of counts.
    """
    tables = [("", waiting), *sorted(counted, key=lambda item: item[0])]
    values = pa.chunked_array([chunk for _, table in tables for chunk in table["value"].chunks], pa.string())
    distinct = pc.unique(values)
    distinct = distinct.filter(pc.invert(pc.is_in(distinct, value_set=known)))
    distinct = distinct.take(pc.sort_indices(distinct))
    positions = pc.fill_null(pc.index_in(values, value_set=distinct), -1).to_numpy()
    counts = np.concatenate([table["count"].to_numpy() for _, table in tables])
    ends = dict(zip((day for day, _ in tables), accumulate(table.num_rows for _, table in tables), strict=True))
    total, is_waiting, start = np.zeros(len(distinct), dtype=np.int64), np.ones(len(distinct), dtype=bool), 0
    for day in days:
        end = max(start, ends.get(day, ends[""]))
        of_day, start = slice(start, end), end
        is_new = positions[of_day] >= 0
        np.add.at(total, positions[of_day][is_new], counts[of_day][is_new])
        is_admitted = is_waiting & (total >= limit)
        is_waiting &= ~is_admitted
        yield day, _counts(distinct, total, is_admitted), _counts(distinct, total, is_waiting & (total > 0))


def _counts(values: pa.Array, counts: npt.NDArray[np.int64], rows: npt.NDArray[np.bool_]) -> pa.Table:
    found = pa.array(np.flatnonzero(rows))
    return pa.table([values.take(found), pa.array(counts).take(found)], schema=_COUNTS)


def _in_order(tables: list[pa.Table]) -> pa.Array:
    if not tables:
        return pa.array([], pa.string())
    ordered = pa.concat_tables(tables).sort_by([("count", "descending"), ("value", "ascending")])
    return ordered["value"].combine_chunks()


def _read_pending(store: Store, previous: Manifest | None, bucket: int) -> dict[str, pa.Table]:
    files = [f for f in previous.files if f.name == f"pending-{bucket:05d}.parquet"] if previous else []
    if not files or previous is None:
        return {}
    with store.parquet(previous, files[0]) as parquet:
        table = parquet.read()
    features = pc.unique(table["feature"]).to_pylist()
    return {f: table.filter(pc.equal(table["feature"], f)).select(["value", "count"]) for f in features}


@lru_cache(maxsize=4)
def _load_cached(url: str, manifest: str) -> dict[str, pa.Array]:
    with open_vocabulary(Store(url), Manifest.model_validate_json(manifest)) as parquet:
        groups = [parquet.read_row_group(i, columns=["value"]) for i in range(parquet.num_row_groups)]
    return {
        name: group["value"].combine_chunks() if group.num_rows else pa.array([], pa.string())
        for name, group in zip(FEATURE_BY_NAME, groups, strict=True)
    }


def load_vocabulary(store: Store, manifest: Manifest) -> dict[str, pa.Array]:
    """Values of each feature in the order of their ids: the value at position i has id i + 1. Cached per process."""
    return _load_cached(store.url, manifest.model_dump_json())
