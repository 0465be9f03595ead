"""The file of a committed vocabulary: the values of each feature in the order of their ids."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctr_assets.features import FEATURE_BY_NAME
from ctr_assets.storage.manifest import DataFile, Manifest
from ctr_assets.storage.parts import ParquetPart
from ctr_assets.storage.store import Store, TableVersion
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, VOCABULARY_SCHEMA

VOCABULARY_FILE: Final = "vocabulary.parquet"


def write_vocabulary(version: TableVersion, vocabulary: Mapping[str, pa.Array]) -> DataFile:
    """One row group a feature, in the order of ``FEATURES``, so that a reader takes one feature alone."""
    part = ParquetPart(version.store, version.folder, VOCABULARY_FILE, VOCABULARY_SCHEMA, use_dictionary=["feature"])
    for feature, values in vocabulary.items():
        ids = pa.array(np.arange(1, len(values) + 1), pa.int32())
        part.write(pa.table([pa.repeat(feature, len(values)), values, ids], schema=VOCABULARY_SCHEMA))
    return part.close()


def open_vocabulary(store: Store, vocabulary: Manifest) -> pq.ParquetFile:
    """The file of a committed vocabulary; row group k is the feature at position k of ``FEATURES``.

    Raises ValueError when it was made for other features, or for the same ones in another order.
    """
    if list(vocabulary.properties["sizes"]) != list(FEATURE_BY_NAME):
        raise ValueError(
            f"{FEATURE_VOCABULARY}[{vocabulary.partition}] is of other features than this code's: materialize "
            f"{FEATURE_VOCABULARY}, then {ENCODED_FEATURES}, for all days from the first on in one run"
        )
    return store.parquet(vocabulary, store.file(vocabulary, VOCABULARY_FILE))


def read_values(store: Store, vocabulary: Manifest, features: Iterable[str]) -> dict[str, list[str]]:
    """The values of some features; the value at position i has id i + 1. Other features' values are not read."""
    positions = {name: position for position, name in enumerate(FEATURE_BY_NAME)}
    with open_vocabulary(store, vocabulary) as parquet:
        return {
            feature: parquet.read_row_group(positions[feature], columns=["value"]).column("value").to_pylist()
            for feature in features
        }
