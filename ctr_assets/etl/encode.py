"""``encoded_features``: each raw file becomes one file of vocabulary ids, looked up once per distinct value."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from ctr_assets.etl.columns import read_raw_file
from ctr_assets.etl.tasks import attempt, run_tasks
from ctr_assets.features import FEATURES, UNKNOWN_ID, Split
from ctr_assets.storage import DataFile, Manifest, ParquetPart, Store, TableVersion
from ctr_assets.storage.entries import Entries, keys_of, look_up
from ctr_assets.storage.vocabulary import chain_of, read_named
from ctr_assets.tables import (
    ENCODED_FEATURES,
    ENCODED_ROW_GROUP_ROWS,
    ENCODED_SCHEMA,
    FEATURE_VOCABULARY,
    RAW_IMPRESSIONS,
    columns_of,
)

_DICTIONARY_COLUMNS: Final = [name for name in ENCODED_SCHEMA.names if name != "row"]


@dataclass(frozen=True)
class _FileOutcome:
    """An encoded file with its rows per split code, its clicked rows and its rows of unknown id per feature."""

    file: DataFile
    splits: list[int]
    clicks: int
    unknown: dict[str, int]


def encode(spark: SparkSession, store: Store, days: list[str], created_by: Mapping[str, str]) -> dict[str, Manifest]:
    """Commit ``encoded_features`` of each of ``days``, each with the vocabulary of its own day.

    Raises NotMaterializedError when a day's raw table or vocabulary is missing, and ValueError when the vocabularies of
    the days are not prefixes of one another, or one was not made from its day's raw table.
    """
    raws = {day: store.manifest(RAW_IMPRESSIONS, day) for day in days}
    vocabularies = {day: store.manifest(FEATURE_VOCABULARY, day) for day in days}
    versions = {day: store.begin(ENCODED_FEATURES, day) for day in days}
    latest = vocabularies[max(days)]
    chain = chain_of(store, latest, days)
    for day, vocabulary in vocabularies.items():
        if chain.get(day) != vocabulary.properties["chain"][day]:
            raise ValueError(
                f"feature_vocabulary[{latest.partition}] does not continue feature_vocabulary[{day}]: "
                f"materialize feature_vocabulary for {day} and every later day again"
            )
        if not vocabulary.was_made_from(raws[day]):
            raise ValueError(
                f"feature_vocabulary[{day}] was made from another version of raw_impressions[{day}], so that it does "
                f"not name its values: materialize feature_vocabulary for {day} again"
            )
    tasks = [(day, index, file) for day, raw in raws.items() for index, file in enumerate(raw.files)]

    def run(task: tuple[str, int, DataFile]) -> _FileOutcome:
        day, index, file = task
        ids = _ids_of(store.url, vocabularies[day].model_dump_json())
        return _encode_file(versions[day], index, raws[day], file, ids)

    outcomes = run_tasks(spark, tasks, run)
    committed = {}
    for day in days:
        of_day = [outcome for task, outcome in zip(tasks, outcomes, strict=True) if task[0] == day]
        committed[day] = versions[day].commit(
            [outcome.file for outcome in of_day],
            columns_of(ENCODED_SCHEMA),
            inputs=[raws[day], vocabularies[day]],
            properties={
                "vocabulary_fingerprint": vocabularies[day].properties["chain"][day],
                "splits": {split.value: sum(o.splits[split.code] for o in of_day) for split in Split},
                "clicks": sum(outcome.clicks for outcome in of_day),
                "unknown_rows": {f.name: sum(o.unknown[f.name] for o in of_day) for f in FEATURES},
            },
            created_by=created_by,
        )
    return committed


@lru_cache(maxsize=2)
def _ids_of(url: str, vocabulary: str) -> Entries:
    """The ids of the values that occur on the day of a vocabulary, given as JSON; kept for the day's other files."""
    return read_named(Store(url), Manifest.model_validate_json(vocabulary))


def _encode_file(version: TableVersion, index: int, raw: Manifest, file: DataFile, ids: Entries) -> _FileOutcome:
    """Write one encoded file; a value without an entry among ``ids`` is unknown."""
    store = version.store
    rows = read_raw_file(store, raw, file)
    order = np.argsort(rows.splits, kind="stable").astype(np.int32)
    arrays = {
        "row": pa.array(order),
        "label": pa.array(rows.labels[order], mask=np.isnan(rows.labels[order])).cast(pa.int8()),
        "split": pa.array(rows.splits[order]),
    }
    unknown: dict[str, int] = {}
    for position, feature in enumerate(FEATURES):
        column = rows.feature(feature)
        found = look_up([ids], keys_of(position, column.values), column.values)
        # Arrow takes by int32 as they are; numpy would widen every index array first.
        arrays[feature.name] = pa.array(found).take(pa.array(column.codes).take(arrays["row"]))
        unknown[feature.name] = int(np.count_nonzero(arrays[feature.name].to_numpy() == UNKNOWN_ID))
    table = pa.table([arrays[name] for name in ENCODED_SCHEMA.names], schema=ENCODED_SCHEMA)
    part = ParquetPart(
        store,
        version.folder,
        f"part-{index:05d}-{attempt()}.parquet",
        ENCODED_SCHEMA,
        use_dictionary=_DICTIONARY_COLUMNS,
        column_encoding={"row": "DELTA_BINARY_PACKED"},
    )
    counts = np.bincount(rows.splits, minlength=len(Split)).tolist()
    start = 0
    for count in counts:
        if count:
            part.write(table.slice(start, count), ENCODED_ROW_GROUP_ROWS)
        start += count
    return _FileOutcome(part.close(), counts, int(np.nansum(rows.labels)), unknown)
