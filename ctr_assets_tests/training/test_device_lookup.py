import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctr_assets.features import FEATURE_SELECTIONS, FeatureSelection
from ctr_assets.training.device_lookup import DeviceLookUp, sum_equal_rows
from ctr_assets.training.gather import segment_sums
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.lookup import Lookup, look_up
from ctr_assets_tests.encoded_days import SIZES

CPU = torch.device("cpu")
WIDE, DEEP = ("C1", "banner_pos"), {"C1": 4, "C14": 4, "device_ip": 4, "site_id": 64}


def layout_of(sizes: list[int]) -> Layout:
    names = ("C1", "banner_pos", "C14", "device_ip", "site_id")
    selection = FeatureSelection(preset="default", wide=WIDE, deep=DEEP)
    return build_layout(selection, dict(zip(names, sizes, strict=True)))


def without_spare_slots(lookup: Lookup) -> Lookup:
    """What the look-up of the host would be: the spare slots taken out, the others numbered anew."""
    assert lookup.source_U is not None
    kept_U = lookup.source_U == torch.arange(len(lookup.source_U))
    slot_U = kept_U.cumsum(0, dtype=torch.int32) - 1
    begins = (0, *lookup.slot_end_F)
    kept = [int(kept_U[begin:end].sum()) for begin, end in itertools.pairwise(begins)]
    return Lookup(
        table_row_U=lookup.table_row_U[kept_U],
        slot_BF=slot_U[lookup.slot_BF],
        batch_row_V=lookup.batch_row_V,
        start_U=lookup.start_U[kept_U],
        slot_end_F=tuple(np.cumsum(kept).tolist()),
    )


def assert_same(found: list[Lookup], expected: list[Lookup]) -> None:
    for one, other in zip(map(without_spare_slots, found), expected, strict=True):
        assert one.slot_end_F == other.slot_end_F
        for name in ("table_row_U", "slot_BF", "batch_row_V", "start_U"):
            a, b = getattr(one, name), getattr(other, name)
            assert a.dtype == b.dtype == torch.int32
            assert torch.equal(a, b), name


@given(
    sizes=st.lists(st.integers(1, 60), min_size=5, max_size=5),
    rows=st.integers(1, 90),
    more=st.integers(0, 20),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=200)
def test_the_device_finds_what_the_host_finds(sizes, rows, more, seed) -> None:
    layout, rng = layout_of(sizes), np.random.default_rng(seed)
    ids = rng.integers(-2, 70, (rows, len(layout.features))).astype(np.int32)
    ids[:, 0] = rng.zipf(1.3, rows) % 70
    found = DeviceLookUp(layout, rows + more, CPU)(torch.from_numpy(ids))
    assert_same(found, look_up(layout, ids))


def test_the_device_finds_what_the_host_finds_in_a_large_batch() -> None:
    layout = build_layout(FEATURE_SELECTIONS["default"], {**SIZES, "device_ip": 2_000_000})
    rng = np.random.default_rng(0)
    ids = np.stack([rng.zipf(1.2, 5000) % (size + 2) for size in layout.sizes], axis=1).astype(np.int32)
    assert_same(DeviceLookUp(layout, 5000, CPU)(torch.from_numpy(ids)), look_up(layout, ids))


@given(rows=st.integers(1, 1500), distinct=st.integers(1, 700), spare=st.integers(0, 400), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_sums_in_pieces_are_the_sums_of_the_segments(rows, distinct, spare, seed) -> None:
    layout, rng = layout_of([distinct] * 5), np.random.default_rng(seed)
    ids = np.minimum(rng.zipf(1.2, (rows, len(layout.features))), distinct).astype(np.int32)
    found = DeviceLookUp(layout, rows + spare, CPU)(torch.from_numpy(ids))
    for lookup, expected in zip(found, look_up(layout, ids), strict=True):
        values = torch.from_numpy(rng.integers(-1000, 1000, (rows, 3)).astype(np.float32))  # their sums are exact
        sums = segment_sums(values, lookup.batch_row_V, lookup.start_U, lookup.pieces)
        of_host = segment_sums(values, expected.batch_row_V, expected.start_U, None)
        assert lookup.source_U is not None
        kept = lookup.source_U == torch.arange(len(sums))
        assert torch.equal(sums[kept], of_host)
        assert not sums[~kept].any()


@pytest.mark.parametrize("rows", [1, 2, 700])
def test_equal_rows_are_added_up_and_spare_slots_repeat_one(rows) -> None:
    rng = np.random.default_rng(rows)
    row = torch.from_numpy(rng.integers(0, 50, rows).astype(np.int32))
    values = torch.from_numpy(rng.integers(-9, 9, (rows, 4)).astype(np.float32))
    found, sums = sum_equal_rows(row, values)
    expected = torch.zeros(50, 4).index_add_(0, row, values)
    assert sorted(set(found.tolist())) == sorted(set(row.tolist()))
    assert torch.equal(sums, expected[found])


def test_the_shapes_of_a_look_up_follow_from_the_number_of_rows_alone() -> None:
    layout = layout_of([3, 3, 1000, 1000, 1000])
    look = DeviceLookUp(layout, 100, CPU)
    shapes = []
    for high in (1, 1000):
        lookups = look(torch.randint(0, high, (99, len(layout.features)), dtype=torch.int32))
        shapes.append([[getattr(one, name).shape for name in ("table_row_U", "slot_BF", "start_U")] for one in lookups])
    assert shapes[0] == shapes[1]
    empty = look(torch.empty((0, len(layout.features)), dtype=torch.int32))
    assert [one.table_row_U.shape for one in empty] == [shape[0] for shape in shapes[0]]
