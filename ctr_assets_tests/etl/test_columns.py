"""Crosses of two columns: which pairs occur, what they are called, and what many of them cost."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctr_assets.crosses import cross_names, pair_of
from ctr_assets.etl import columns
from ctr_assets.etl.columns import CodedColumn, distinct_pairs

VALUES = st.text(alphabet=" ×a", max_size=6)


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), unique=True, max_size=30))
def test_two_pairs_never_share_a_name(pairs):
    left, right = (pa.array([pair[i] for pair in pairs], pa.string()) for i in (0, 1))
    names = cross_names(left, right).to_pylist()
    assert len(set(names)) == len(pairs)
    assert [pair_of(name) for name in names] == pairs


@pytest.mark.parametrize("name", ["", "a", "a×b", "a ×× b", "a × b × c", "a ××× b"])
def test_what_names_no_pair_is_an_error(name):
    with pytest.raises(ValueError, match="is no pair of values"):
        pair_of(name)


@pytest.mark.parametrize(
    ("left", "right", "name"),
    [("a", "b", "a × b"), ("a × b", "c", "a ×× b × c"), ("a", "b × c", "a × b ×× c"), ("×", "x", "×× × x")],
)
def test_only_values_that_hold_the_sign_are_named_otherwise(left, right, name):
    assert cross_names(pa.array([left]), pa.array([right])).to_pylist() == [name]


@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=50),
)
def test_counting_and_sorting_find_the_same_pairs_in_the_same_order(rows):
    first, second = (
        CodedColumn(pa.array([str(n) for n in range(size)]), np.array([row[i] for row in rows], dtype=np.int32))
        for i, size in ((0, 7), (1, 5))
    )
    counted = distinct_pairs(first, second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_MOST_COUNTED_PAIRS", 0)
        as_sorted = distinct_pairs(first, second)
    assert [each.dtype for each in as_sorted] == [each.dtype for each in counted]
    assert [each.tolist() for each in as_sorted] == [each.tolist() for each in counted]
