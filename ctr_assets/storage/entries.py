"""What is known of the values of features, sorted by a 64-bit key, and how it is looked up and merged.

A *key* is the feature's position among ``FEATURES`` in the highest 8 bits and 56 bits of a hash of the value below, so
that the keys of one feature lie side by side. Two values may share a key: their strings tell them apart.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctr_assets.split import stable_hash

_HASH_BITS: Final = 56
_LAST_KEY: Final = (1 << 64) - 1

Keys = npt.NDArray[np.uint64]
States = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Entries:
    """``keys`` ascending, ``states`` and ``values``, all of shape ``(n,)``; a value occurs once.

    A state is the id of a value that has one, or minus the count of a value that waits for one; it is never 0.
    """

    keys: Keys
    states: States
    values: pa.StringArray

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, rows: npt.NDArray[np.bool_]) -> "Entries":
        """The entries of a mask of shape ``(n,)``."""
        return self.take(np.flatnonzero(rows))

    def take(self, positions: npt.NDArray[np.intp]) -> "Entries":
        """The entries at some positions, in that order."""
        return Entries(self.keys[positions], self.states[positions], self.values.take(pa.array(positions)))

    def between(self, first: int, last: int) -> "Entries":
        """The entries whose keys lie between two, both included; a view, that copies nothing."""
        start = int(np.searchsorted(self.keys, np.uint64(first)))
        end = int(np.searchsorted(self.keys, np.uint64(last), side="right"))
        return Entries(self.keys[start:end], self.states[start:end], self.values.slice(start, end - start))

    def of_feature(self, feature: int) -> "Entries":
        """The entries of the feature at a position of ``FEATURES``."""
        return self.between(feature << _HASH_BITS, (feature + 1 << _HASH_BITS) - 1)


NO_ENTRIES: Final = Entries(np.empty(0, np.uint64), np.empty(0, np.int32), pa.array([], pa.string()))


def keys_of(features: npt.NDArray[np.int8] | int, values: pa.Array) -> Keys:
    """The key of each value of a feature, or of a feature each; shape ``(n,)``."""
    hashes = stable_hash(values) & np.uint64((1 << _HASH_BITS) - 1)
    return (np.asarray(features).astype(np.uint64) << np.uint64(_HASH_BITS)) | hashes


def features_of(keys: Keys) -> npt.NDArray[np.int8]:
    """The position among ``FEATURES`` that each key was made with; shape ``(n,)``."""
    return (keys >> np.uint64(_HASH_BITS)).astype(np.int8)


def sorted_entries(keys: Keys, states: States, values: pa.Array) -> Entries:
    """Entries in the order of their keys, those of one key in the order of their values: equal sets, equal bytes."""
    table = pa.table({"key": keys, "value": values})
    order = pc.sort_indices(table, [("key", "ascending"), ("value", "ascending")]).to_numpy()
    return Entries(keys[order], states[order], values.take(pa.array(order)))


def look_up(parts: Iterable[Entries], keys: Keys, values: pa.Array) -> States:
    """The state of each value, 0 where no part has it; of several parts that do, the first one counts. Shape ``(n,)``.

    A part costs a binary search for each value whose key lies within it, and nothing where none does.
    """
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    states = np.zeros(len(keys), dtype=np.int32)
    for part in (part for part in parts if len(part)):
        within = slice(np.searchsorted(keys, part.keys[0]), np.searchsorted(keys, part.keys[-1], side="right"))
        rows = order[within]
        asked = np.flatnonzero(states[rows] == 0)
        rows = rows[asked]
        states[rows] = _search(part, keys[within][asked], values, rows)
    return states


def _search(part: Entries, keys: Keys, values: pa.Array, rows: npt.NDArray[np.intp]) -> States:
    """The states of the values at ``rows``, of ascending ``keys``; 0 where the part has none.

    Looks at the entries of a key one after the other until one has the value.
    """
    states = np.zeros(len(keys), dtype=np.int32)
    asked, position = np.arange(len(keys)), np.searchsorted(part.keys, keys)
    while len(asked):
        shares_key = part.keys[np.minimum(position, len(part) - 1)] == keys[asked]
        shares_key &= position < len(part)
        asked, position = asked[shares_key], position[shares_key]
        is_it = _equal(part.values.take(pa.array(position)), values.take(pa.array(rows[asked])))
        states[asked[is_it]] = part.states[position[is_it]]
        asked, position = asked[~is_it], position[~is_it] + 1
    return states


def merge(parts: Sequence[Entries]) -> Entries:
    """All entries of all parts as one; of a value that several have, the first part's counts."""
    parts = [NO_ENTRIES, *parts]
    keys = np.concatenate([part.keys for part in parts])
    order = np.argsort(keys, kind="stable")
    together = Entries(
        keys,
        np.concatenate([part.states for part in parts]),
        pa.concat_arrays([part.values for part in parts]),
    ).take(order)
    return together.where(_is_first(together))


def merge_in_pieces(runs: Sequence[Sequence[Entries]]) -> Iterator[Entries]:
    """:func:`merge` of many entries, ascending, a piece at a time; each run is ascending parts, the newest run first.

    A piece holds what lies between the ends of two parts of the longest run: memory is of about a part of each.
    """
    left = [deque(part for part in run if len(part)) for run in runs]
    ends = sorted({int(part.keys[-1]) for part in max(left, key=len)})
    for start, end in pairwise([-1, *ends[:-1], _LAST_KEY]):
        yield merge([part for run in left for part in _between(run, start + 1, end)])


def _between(run: deque[Entries], first: int, last: int) -> Iterator[Entries]:
    """What a run holds between two keys, both included; the parts before them are dropped from it."""
    while run and run[0].keys[-1] < first:
        run.popleft()
    for part in run:
        if part.keys[0] > last:
            return
        yield part.between(first, last)


def _is_first(entries: Entries) -> npt.NDArray[np.bool_]:
    """Which entries are the first of their value; only those of a key that occurs again are compared."""
    repeats = entries.keys[1:] == entries.keys[:-1]
    shared = np.flatnonzero(np.append(repeats, False) | np.insert(repeats, 0, False))
    rows = pa.table({"key": entries.keys[shared], "value": entries.values.take(pa.array(shared)), "row": shared})
    first = rows.group_by(["key", "value"]).aggregate([("row", "min")])["row_min"].to_numpy()
    is_first = np.ones(len(entries), dtype=bool)
    is_first[shared] = False
    is_first[first] = True
    return is_first


def _equal(left: pa.Array, right: pa.Array) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = pc.equal(left, right).to_numpy(zero_copy_only=False)
    return same
