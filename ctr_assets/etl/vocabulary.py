"""``feature_vocabulary``: per feature the ids of its values. Append-only: a day adds values, an id never changes.

Rows count only when they train (the ``train`` split). A value gets an id on the first day its accumulated count reaches
the feature's ``min_count``; until then its count is kept in the index. Ids of a day are handed out by descending count,
then by value. Rows are not read: their counts are beside them. Each bucket is looked up, merged and written by itself
(``admission``). What a day costs depends on its values, not on how many are known.
"""

import json
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from ctr_assets.etl.admission import Before, BucketOutcome, admit
from ctr_assets.etl.counts import count_file, find_counts, read_counts
from ctr_assets.etl.tasks import run_tasks
from ctr_assets.features import FEATURE_BY_NAME, FEATURES
from ctr_assets.storage import DataFile, Manifest, Store, TableVersion
from ctr_assets.storage.ipc import from_ipc
from ctr_assets.storage.manifest import VersionName
from ctr_assets.storage.parts import write_bytes
from ctr_assets.storage.segments import BUCKETS, Index, Segment, merged_with
from ctr_assets.storage.vocabulary import (
    CHAIN_FILE,
    INDEX,
    SEGMENTS_FILE,
    days_of_former_layout,
    link_fingerprint,
    read_chain,
    read_index,
    write_vocabulary,
)
from ctr_assets.tables import FEATURE_VOCABULARY, RAW_IMPRESSIONS, VOCABULARY_SCHEMA, columns_of


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
    limits = {f.name: min_counts.get(f.name, f.min_count) for f in FEATURES}
    committed: dict[str, Manifest] = {}
    for day, raw in raws.items():
        version = store.begin(FEATURE_VOCABULARY, day)
        committed[day] = previous = _build_day(spark, version, raw, previous, limits, created_by)
    return committed


def _build_day(
    spark: SparkSession,
    version: TableVersion,
    raw: Manifest,
    previous: Manifest | None,
    limits: Mapping[str, int],
    created_by: Mapping[str, str],
) -> Manifest:
    store, day = version.store, version.partition
    segments = () if previous is None else read_index(store, previous).segments
    merged_from, level = merged_with(segments)
    before = None if previous is None else Before(previous, segments, merged_from)
    outcomes = _admit_all(spark, version, raw, before, limits)
    new = _in_order([from_ipc(outcome.admitted) for outcome in outcomes])
    sizes = dict(previous.properties["sizes"]) if previous else dict.fromkeys(FEATURE_BY_NAME, 0)
    link = {} if previous is None else {previous.partition: previous.properties["chain"][previous.partition]}
    chain = {**link, day: link_fingerprint("".join(link.values()), new)}
    covered = days_of_former_layout(previous)
    for merged in segments[merged_from:]:
        covered |= read_chain(store, merged)
    covered[day] = chain[day]
    segment = Segment(
        table=version.table,
        partition=day,
        version=version.version,
        first_day=min(covered),
        level=level,
        files={outcome.bucket: outcome.index for outcome in outcomes if outcome.index},
        chain=write_bytes(store, version.folder, CHAIN_FILE, json.dumps(covered).encode()),
    )
    index = Index(features=tuple(FEATURE_BY_NAME), segments=(*segments[:merged_from], segment))
    known = [outcome.known for outcome in outcomes if outcome.known]
    return version.commit(
        [write_vocabulary(version, new, sizes), *known, *segment.files.values(), segment.chain],
        columns_of(VOCABULARY_SCHEMA),
        inputs=[raw, *([previous] if previous else [])],
        refers_to=index.segments[:-1],
        properties={
            "sizes": {name: sizes[name] + len(values) for name, values in new.items()},
            "new": {name: len(values) for name, values in new.items()},
            "min_counts": dict(limits),
            "chain": chain,
            INDEX: write_bytes(store, version.folder, SEGMENTS_FILE, index.model_dump_json().encode()).model_dump(),
        },
        created_by=created_by,
    )


def _admit_all(
    spark: SparkSession, version: TableVersion, raw: Manifest, before: Before | None, limits: Mapping[str, int]
) -> list[BucketOutcome]:
    """Look up what was counted in the raw files of a day: an outcome a bucket, in order."""
    place, files = _counts_of(spark, version, raw)

    def admit_bucket(bucket: int) -> BucketOutcome:
        counts = (read_counts(version.store, place, file, bucket) for file in files)
        return admit(version, bucket, counts, before, limits)

    # Buckets are alike, and a task costs by itself: no more of them than there are cores.
    return run_tasks(spark, [*range(BUCKETS)], admit_bucket, min(BUCKETS, spark.sparkContext.defaultParallelism))


def _counts_of(spark: SparkSession, version: TableVersion, raw: Manifest) -> tuple[VersionName, list[DataFile]]:
    """The counts of a raw day, and the version that they are in; where they do not fit they are made in ``version``."""
    counts = find_counts(raw)
    if counts is not None:
        return raw, counts
    return version.name, run_tasks(spark, list(raw.files), lambda file: count_file(version, raw, file))


def _in_order(admitted: list[pa.Table]) -> dict[str, pa.Array]:
    """The admitted values of each feature in the order of their ids."""
    ordered = pa.concat_tables(admitted).sort_by(
        [("feature", "ascending"), ("count", "descending"), ("value", "ascending")]
    )
    values = ordered["value"].combine_chunks()
    ends = np.searchsorted(ordered["feature"].to_numpy(), np.arange(len(FEATURES) + 1))
    return {
        feature.name: values.slice(start, end - start)
        for feature, (start, end) in zip(FEATURES, pairwise(ends.tolist()), strict=True)
    }
