"""The split of a row is a function of the row alone."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctr_assets import split
from ctr_assets.features import Split
from ctr_assets.split import TEST_SHARE, VALIDATION_SHARE, split_codes, stable_hash


def test_known_hashes_never_change():
    # Written down once: a change would move rows between train and test in every table ever written.
    ids = pa.array(["10000169349117863715", "1000009418151094273", "a", ""])
    assert stable_hash(ids).tolist() == [
        315794850620740552,
        15145532340314244934,
        7860680498875604842,
        11400714819323198485,
    ]


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30), min_size=1, max_size=30))
def test_hash_of_a_string_does_not_depend_on_its_neighbours(strings):
    together = stable_hash(pa.array(strings, pa.string()))
    alone = [stable_hash(pa.array([s], pa.string()))[0] for s in strings]
    assert together.tolist() == alone
    sliced = pa.array(["padding", *strings], pa.string()).slice(1)
    assert stable_hash(sliced).tolist() == alone


def test_shares_are_those_stated():
    codes = split_codes(stable_hash(pa.array([str(i) for i in range(200_000)])), np.ones(200_000, dtype=bool))
    shares = np.bincount(codes, minlength=len(Split)) / len(codes)
    expected = [1 - TEST_SHARE - VALIDATION_SHARE, VALIDATION_SHARE, TEST_SHARE, 0]
    assert shares == pytest.approx(expected, abs=0.004)


def test_unlabelled_rows_are_in_no_split_that_trains_or_tests():
    codes = split_codes(stable_hash(pa.array(["1", "2", "3"])), np.array([False, True, False]))
    assert codes[0] == codes[2] == Split.UNLABELLED.code
    assert codes[1] != Split.UNLABELLED.code


def test_null_ids_are_refused():
    with pytest.raises(ValueError, match="1 of 2 ids are null"):
        stable_hash(pa.array(["1", None]))


@given(st.lists(st.text(max_size=300), max_size=40), st.integers(1, 7))
def test_long_ids_hash_as_they_do_when_all_are_padded_together(ids, together):
    array = pa.array(ids, pa.string())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "_PADDED_BYTES", 1 << 30)
        expected = stable_hash(array)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "_PADDED_BYTES", 8)
        patch.setattr(split, "_PADDED_TOGETHER", together)
        assert stable_hash(array).tolist() == expected.tolist()
