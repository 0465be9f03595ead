"""The split of a row: a stable hash of its ``id``, so every engine, day and re-run agrees and nothing leaks."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.features import Split

TEST_SHARE: Final = 0.30
"""Share of the labelled rows held out for the final metrics: 70/30 as in the original study."""
VALIDATION_SHARE: Final = 0.05
"""Share of the labelled rows, taken from the 70 % of training rows, that early stopping looks at."""

_WORD_BYTES = 8
_PADDED_BYTES: Final = 64
"""Longest id up to which all of a file's are padded at one go: 64 MB for a million."""
_PADDED_TOGETHER: Final = 4096
"""Longer ids padded at one go: 16 MB where all are as long as a field may be."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def stable_hash(ids: pa.Array) -> npt.NDArray[np.uint64]:
    """Hash strings to uniform 64-bit integers, shape ``(n,)``; the value depends on the bytes of the string alone.

    The string is folded eight bytes at a time through the finalizer of splitmix64 (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", 2014). Trailing NUL bytes do not count. Raises ValueError on nulls.
    """
    if ids.null_count:
        raise ValueError(f"{ids.null_count} of {len(ids)} ids are null: an id is required to split a row")
    if not len(ids):
        return np.empty(0, dtype=np.uint64)
    lengths = pc.binary_length(ids)
    longest = pc.max(lengths).as_py()
    if longest <= _PADDED_BYTES:
        return _hash_padded(ids, longest)
    # Every string is padded to the longest beside it: in the order of their lengths a long one costs but itself.
    hashes = np.empty(len(ids), dtype=np.uint64)
    order = pc.sort_indices(lengths).to_numpy()
    for start in range(0, len(order), _PADDED_TOGETHER):
        some = pa.array(order[start : start + _PADDED_TOGETHER])
        hashes[some] = _hash_padded(ids.take(some), lengths[int(some[-1].as_py())].as_py())
    return hashes


def _hash_padded(ids: pa.Array, longest: int) -> npt.NDArray[np.uint64]:
    hashes = np.full(len(ids), _GOLDEN, dtype=np.uint64)
    words = max(1, -(-longest // _WORD_BYTES))
    padded = pc.cast(pc.ascii_rpad(ids, width=words * _WORD_BYTES, padding="\0"), pa.binary(words * _WORD_BYTES))
    start = padded.offset * words * _WORD_BYTES
    matrix = np.frombuffer(padded.buffers()[1], dtype="<u8", offset=start, count=len(ids) * words).reshape(-1, words)
    for column in matrix.T:
        hashes = np.where(column == 0, hashes, _mix(hashes ^ column))
    return hashes


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def split_codes(hashes: npt.NDArray[np.uint64], labelled: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """The split of each row as the int8 code of :class:`Split`; both arguments and the result have shape ``(n,)``."""
    uniform = hashes.astype(np.float64) / 2.0**64
    held_out = np.where(uniform < TEST_SHARE + VALIDATION_SHARE, Split.VALIDATION.code, Split.TRAIN.code)
    codes = np.where(uniform < TEST_SHARE, Split.TEST.code, held_out)
    return np.where(labelled, codes, Split.UNLABELLED.code).astype(np.int8)
