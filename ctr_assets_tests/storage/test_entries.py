"""Sorted entries against a dictionary: look-ups and merges, with keys that many values share."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctr_assets.features import FEATURES
from ctr_assets.storage import Store
from ctr_assets.storage.entries import (
    Entries,
    features_of,
    keys_of,
    look_up,
    merge,
    merge_in_pieces,
    sorted_entries,
)
from ctr_assets.storage.segments import BATCH_ROWS, read_entries, write_entries
from ctr_assets.tables import FEATURE_VOCABULARY

DAY = "2014-10-21"
STATES = st.integers(-9, 9).filter(bool)
KNOWN = st.dictionaries(st.text(max_size=3), STATES, max_size=40)
FEW_KEYS = 4
"""Forty values share so many keys: almost every look-up meets another value of its key."""


def key_of(value: str) -> int:
    return len(value) % FEW_KEYS << 60


def keys(values):
    return np.array([key_of(value) for value in values], dtype=np.uint64)


def entries(known: dict[str, int]) -> Entries:
    return sorted_entries(keys(known), np.array([*known.values()], dtype=np.int32), pa.array([*known], pa.string()))


def known(of: Entries) -> dict[str, int]:
    return dict(zip(of.values.to_pylist(), of.states.tolist(), strict=True))


def cut(of: Entries, size: int) -> list[Entries]:
    return [of.take(np.arange(start, min(start + size, len(of)))) for start in range(0, len(of), size)]


@settings(deadline=None)
@given(parts=st.lists(KNOWN, max_size=4), asked=st.lists(st.text(max_size=3), max_size=40), size=st.integers(1, 9))
def test_values_that_share_a_key_are_told_apart_and_the_first_part_that_has_one_counts(parts, asked, size):
    pieces = [piece for part in parts for piece in cut(entries(part), size)]
    found = look_up(pieces, keys(asked), pa.array(asked, pa.string()))
    expected = [next((part[value] for part in parts if value in part), 0) for value in asked]
    assert found.tolist() == expected


@settings(deadline=None)
@given(runs=st.lists(KNOWN, min_size=1, max_size=4), size=st.integers(1, 9))
def test_of_a_value_that_several_have_a_merge_keeps_the_first_however_it_is_cut(runs, size):
    expected = {value: state for run in reversed(runs) for value, state in run.items()}
    merged = merge([entries(run) for run in runs])
    pieces = [*merge_in_pieces([cut(entries(run), size) for run in runs])]
    for of in (merged, merge(pieces)):
        assert len(of) == len(expected)
        assert known(of) == expected
    together = np.concatenate([piece.keys for piece in pieces])
    assert np.array_equal(together, merged.keys)
    assert (together[1:] >= together[:-1]).all()


def test_the_entries_of_a_feature_lie_side_by_side_and_its_number_is_read_from_the_key():
    values = pa.array([f"{i:08x}" for i in range(500)])
    every = [keys_of(position, values) for position in range(len(FEATURES))]
    assert all((features_of(of) == position).all() for position, of in enumerate(every))
    assert len(np.unique(np.concatenate(every))) == 500 * len(FEATURES)
    whole = merge([sorted_entries(of, np.ones(500, np.int32), values) for of in every])
    for position, of in enumerate(every):
        assert np.array_equal(whole.of_feature(position).keys, np.sort(of))


@pytest.mark.parametrize("rows", [0, 1, BATCH_ROWS, BATCH_ROWS + 1, 3 * BATCH_ROWS])
def test_a_file_gives_back_what_was_written_whether_it_is_small_or_mapped(tmp_path, rows):
    version = Store(str(tmp_path)).begin(FEATURE_VOCABULARY, DAY)
    values = pa.array([f"{i * 2654435761 % 2**32:08x}" for i in range(rows)], pa.string())
    written = sorted_entries(keys_of(3, values), np.arange(1, rows + 1, dtype=np.int32), values)
    file = write_entries(version, "index", cut(written, 50_000))
    if file is None:
        assert not rows
        return
    parts = [*read_entries(version.store, version.commit([file], {}), file)]
    assert max(map(len, parts)) <= BATCH_ROWS
    assert file.rows == rows
    for name in ("keys", "states"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(written, name))
    assert pa.concat_arrays([part.values for part in parts]).equals(written.values)


def test_equal_entries_give_equal_bytes_in_whatever_order_they_came(tmp_path):
    version = Store(str(tmp_path)).begin(FEATURE_VOCABULARY, DAY)
    of = {f"{i:04}": i + 1 for i in range(300)}  # all of one key
    turned = dict(reversed(of.items()))
    files = [write_entries(version, name, [entries(e)]) for name, e in (("a", of), ("b", turned))]
    assert len({file.sha256 for file in files if file}) == 1
