"""The files of a committed vocabulary: what a day added to it, and how all of it is read.

===================  ==================================================================================================
``vocabulary``       the values that got an id on the day (``VOCABULARY_SCHEMA``), a row group a feature in their order
``known-<bucket>``   the values that occurred on the day and had their id before it
``index-<bucket>``   the day's segment: ids of the day before, and counts of the day's values that still wait for one
``chain``            fingerprint of each day of that segment
``segments``         which segments the index is made of; named by the property ``index``, since versions differ by run
===================  ==================================================================================================

A vocabulary without the last is of the former layout: ``vocabulary`` holds all its values, ``pending-*`` the counts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctr_assets.features import FEATURE_BY_NAME, FEATURES
from ctr_assets.storage.damage import UnreadableError
from ctr_assets.storage.entries import Entries, keys_of, merge
from ctr_assets.storage.manifest import DataFile, Manifest, fingerprint
from ctr_assets.storage.parts import ParquetPart
from ctr_assets.storage.segments import Index, Segment, read_bucket, read_entries
from ctr_assets.storage.store import Store, TableVersion
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, VOCABULARY_SCHEMA

VOCABULARY_FILE: Final = "vocabulary.parquet"
CHAIN_FILE: Final = "chain.json"
SEGMENTS_FILE: Final = "segments.json"
INDEX: Final = "index"
"""Property of a vocabulary: its file of segments."""
_KNOWN: Final = "known-"
_FORMER_COUNTS: Final = "pending-"
_POSITIONS: Final = {name: position for position, name in enumerate(FEATURE_BY_NAME)}


def known_file(bucket: int) -> str:
    """Name, without its ending, of the file of a bucket's values that occurred on the day and had their id before."""
    return f"{_KNOWN}{bucket:05d}"


def index_file(bucket: int) -> str:
    """Name, without its ending, of the file of a bucket of the day's segment."""
    return f"index-{bucket:05d}"


def write_vocabulary(version: TableVersion, new: Mapping[str, pa.Array], before: Mapping[str, int]) -> DataFile:
    """The values of each feature that get an id on the day, in the order of their ids; ``before`` had one already."""
    part = ParquetPart(version.store, version.folder, VOCABULARY_FILE, VOCABULARY_SCHEMA, use_dictionary=["feature"])
    for feature, values in new.items():
        ids = pa.array(np.arange(1, len(values) + 1) + before.get(feature, 0), pa.int32())
        part.write(pa.table([pa.repeat(feature, len(values)), values, ids], schema=VOCABULARY_SCHEMA))
    return part.close()


def link_fingerprint(before: str, new: Mapping[str, pa.Array]) -> str:
    """The fingerprint of a vocabulary that adds ``new`` to the one of the fingerprint ``before``, '' for none."""
    return fingerprint([before, *(fingerprint(new[feature.name].to_pylist()) for feature in FEATURES)])


def read_index(store: Store, vocabulary: Manifest) -> Index:
    """The segments of a vocabulary; none of one of the former layout. Raises UnreadableError."""
    if INDEX not in vocabulary.properties:
        return Index(features=tuple(FEATURE_BY_NAME), segments=())
    file = DataFile.model_validate(vocabulary.properties[INDEX])
    data = store.read(vocabulary, file)
    with store.reading(vocabulary, file):
        index = Index.model_validate_json(data)
    if index.features != tuple(FEATURE_BY_NAME):
        raise UnreadableError(
            f"{FEATURE_VOCABULARY}[{vocabulary.partition}] under {store.url} was built of other features: "
            f"materialize {FEATURE_VOCABULARY} from its first day on again"
        )
    return index


def chain_of(store: Store, vocabulary: Manifest, days: Iterable[str]) -> dict[str, str]:
    """The fingerprint of the vocabulary at the end of each of ``days``, without those that it was not built over."""
    days = set(days)
    found: dict[str, str] = dict(vocabulary.properties["chain"])
    if not days <= found.keys():
        for segment in read_index(store, vocabulary).segments:
            if any(segment.first_day <= day <= segment.partition for day in days):
                found |= read_chain(store, segment)
    return {day: found[day] for day in sorted(days & found.keys())}


def read_chain(store: Store, segment: Segment) -> dict[str, str]:
    """The fingerprint of the vocabulary at the end of each day of a segment. Raises UnreadableError."""
    data = store.read(segment, segment.chain)
    with store.reading(segment, segment.chain):
        chain: dict[str, str] = json.loads(data)
    return chain


def read_values(store: Store, vocabulary: Manifest, features: Iterable[str]) -> dict[str, list[str]]:
    """The values of some features; the value at position i has id i + 1. Raises UnreadableError."""
    named: dict[str, list[Entries]] = {feature: [] for feature in features}
    for segment in read_index(store, vocabulary).segments:
        for bucket in segment.files:
            for part in read_bucket(store, segment, bucket):
                for feature, parts in named.items():
                    entries = part.of_feature(_POSITIONS[feature])
                    parts.append(entries.where(entries.states > 0))
    for feature, parts in named.items():
        parts += read_new(store, vocabulary, [feature])
    return {feature: _in_order(store, vocabulary, feature, parts) for feature, parts in named.items()}


def _in_order(store: Store, vocabulary: Manifest, feature: str, parts: list[Entries]) -> list[str]:
    ids = np.concatenate([part.states for part in parts])
    order = np.argsort(ids)
    if not np.array_equal(ids[order], np.arange(1, vocabulary.properties["sizes"][feature] + 1)):
        raise UnreadableError(
            f"The index of {FEATURE_VOCABULARY}[{vocabulary.partition}] under {store.url} holds {len(ids):,} ids of "
            f"{feature}, not those from 1 to {vocabulary.properties['sizes'][feature]:,}: "
            f"materialize {FEATURE_VOCABULARY} from its first day on again"
        )
    values: list[str] = pa.chunked_array([part.values for part in parts]).take(pa.array(order)).to_pylist()
    return values


def read_new(store: Store, vocabulary: Manifest, features: Iterable[str] = FEATURE_BY_NAME) -> Iterator[Entries]:
    """The values of some features that got an id on the day, in the order of their ids and not of their keys."""
    groups = [_POSITIONS[feature] for feature in features]
    with open_vocabulary(store, vocabulary) as parquet:
        sizes = [parquet.metadata.row_group(group).num_rows for group in groups]
        batches = parquet.read_row_groups(groups, columns=["value", "id"]).to_batches()
    positions, start = np.repeat(np.array(groups, np.int8), sizes), 0
    for values, ids in (batch.columns for batch in batches):
        yield Entries(keys_of(positions[start : start + len(ids)], values), ids.to_numpy(), values)
        start += len(ids)


def open_vocabulary(store: Store, vocabulary: Manifest) -> pq.ParquetFile:
    """The values that got an id on the day; row group k is the feature at position k of ``FEATURES``.

    Raises ValueError when it was made for other features, or for the same ones in another order.
    """
    if list(vocabulary.properties["sizes"]) != list(FEATURE_BY_NAME):
        raise ValueError(
            f"{FEATURE_VOCABULARY}[{vocabulary.partition}] is of other features than this code's: materialize "
            f"{FEATURE_VOCABULARY}, then {ENCODED_FEATURES}, for all days from the first on in one run"
        )
    return store.parquet(vocabulary, store.file(vocabulary, VOCABULARY_FILE))


def read_named(store: Store, vocabulary: Manifest) -> Entries:
    """Every value with an id that the day's own files name: those that occurred on it, and all that are new."""
    known = [
        part
        for file in vocabulary.files
        if file.name.startswith(_KNOWN)
        for part in read_entries(store, vocabulary, file)
    ]
    return merge([*known, *read_new(store, vocabulary)])


def days_of_former_layout(vocabulary: Manifest | None) -> dict[str, str]:
    """The fingerprints of all days of a vocabulary of the former layout; none of any other."""
    return {} if vocabulary is None or INDEX in vocabulary.properties else dict(vocabulary.properties["chain"])


def read_former_counts(store: Store, vocabulary: Manifest) -> Iterator[Entries]:
    """The values that wait in a vocabulary of the former layout, in no order of keys; none of any other."""
    for file in (file for file in vocabulary.files if file.name.startswith(_FORMER_COUNTS)):
        with store.parquet(vocabulary, file) as parquet:
            for batch in parquet.iter_batches():
                names, values, counts = (batch.column(name) for name in ("feature", "value", "count"))
                positions = pc.index_in(names, value_set=pa.array(list(FEATURE_BY_NAME))).to_numpy().astype(np.int8)
                yield Entries(keys_of(positions, values), -counts.to_numpy().astype(np.int32), values)
