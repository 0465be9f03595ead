"""A vocabulary of as many ids of device_ip as are asked for, as a day's index holds them."""

from typing import Final

import numpy as np
import pyarrow as pa

from ctr_assets.features import DEVICE, FEATURE_BY_NAME, FEATURES
from ctr_assets.storage import DataFile, Manifest, Store
from ctr_assets.storage.entries import Entries, keys_of, merge
from ctr_assets.storage.parts import write_bytes
from ctr_assets.storage.segments import BUCKETS, Index, Segment, bucket_of, write_entries
from ctr_assets.storage.vocabulary import INDEX, index_file, write_vocabulary
from ctr_assets.tables import FEATURE_VOCABULARY

_CHUNK: Final = 1 << 20
_SPREAD: Final = np.uint64(2654435761)
"""Odd, so that multiples of it modulo 2^32 are all different (Knuth's multiplicative hashing)."""
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


def made_up_values(first: int, end: int) -> pa.Array:
    """The values of the numbers from ``first`` on: eight hexadecimal digits each, different up to 2^32 of them."""
    numbers = (np.arange(first, end, dtype=np.uint64) * _SPREAD).astype(np.uint32)
    octets = numbers.astype(">u4").view(np.uint8)
    digits = np.stack([_HEX[octets >> 4], _HEX[octets & 15]], axis=1)
    ends = np.arange(0, 8 * (end - first) + 1, 8, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), end - first, [None, pa.py_buffer(ends), pa.py_buffer(digits.tobytes())])


def commit_made_up_ids(store: Store, day: str, known: int) -> Manifest:
    """Commit the vocabulary of a day on which ``known`` values of device_ip have their ids since long."""
    version = store.begin(FEATURE_VOCABULARY, day)
    chunks = [_entries(first, min(first + _CHUNK, known)) for first in range(0, known, _CHUNK)]
    files: dict[int, DataFile] = {}
    for bucket in range(BUCKETS):
        entries = merge([chunk.where(bucket_of(chunk.keys) == bucket) for chunk in chunks])
        file = write_entries(version, index_file(bucket), [entries])
        files |= {bucket: file} if file else {}
    chain = write_bytes(store, version.folder, "chain.json", f'{{"{day}": "made up"}}'.encode())
    segment = Segment(
        table=FEATURE_VOCABULARY,
        partition=day,
        version=version.version,
        first_day=day,
        level=9,
        files=files,
        chain=chain,
    )
    index = Index(features=tuple(FEATURE_BY_NAME), segments=(segment,))
    nothing = dict.fromkeys(FEATURE_BY_NAME, pa.array([], pa.string()))
    return version.commit(
        [write_vocabulary(version, nothing, {}), *files.values(), chain],
        {},
        properties={
            "sizes": {**dict.fromkeys(FEATURE_BY_NAME, 0), DEVICE: known},
            "min_counts": {feature.name: feature.min_count for feature in FEATURES},
            "chain": {day: "made up"},
            INDEX: write_bytes(store, version.folder, "segments.json", index.model_dump_json().encode()).model_dump(),
        },
    )


def _entries(first: int, end: int) -> Entries:
    values = made_up_values(first, end)
    position = [*FEATURE_BY_NAME].index(DEVICE)
    return Entries(keys_of(position, values), np.arange(first + 1, end + 1, dtype=np.int32), values)
