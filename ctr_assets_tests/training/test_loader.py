import itertools
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctr_assets.features import FEATURES, Split
from ctr_assets.storage import Store
from ctr_assets.tables import ENCODED_FEATURES, ENCODED_SCHEMA, columns_of
from ctr_assets.training import loader as loading
from ctr_assets.training.loader import Loader
from ctr_assets.training.rowgroups import RowGroup, find_row_groups
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.training.conftest import DAYS

COLUMNS = ["row", "label", *(feature.name for feature in FEATURES)]


def loader_of(store: Store, days: list[str] = DAYS, split: Split = Split.TRAIN, **options) -> Loader:
    groups = find_row_groups(store, [store.manifest(ENCODED_FEATURES, day) for day in days], split)
    return Loader(store, groups, COLUMNS, **{"batch_rows": 100, "buffer_rows": 2000, **options})


def rows_of(store: Store, split: Split) -> dict[str, list[bytes]]:
    """The rows of a split as bytes, by file, read without the loader."""
    rows = {}
    for day in DAYS:
        manifest = store.manifest(ENCODED_FEATURES, day)
        for file in manifest.files:
            table = pq.read_table(store.file_path(manifest, file))
            matrix = np.stack([table[name].to_numpy() for name in COLUMNS], axis=1).astype(np.int32)
            rows[f"{day}/{file.name}"] = [r.tobytes() for r in matrix[table["split"].to_numpy() == split.code]]
    return rows


def as_rows(batches) -> list[bytes]:
    return [row.tobytes() for batch in batches for row in batch]


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
@pytest.mark.parametrize("buffer_rows", [1, 700, 10**6])
def test_every_row_of_the_split_comes_exactly_once_an_epoch(encoded_store, split, buffer_rows) -> None:
    expected = Counter(row for rows in rows_of(encoded_store, split).values() for row in rows)
    loader = loader_of(encoded_store, split=split, buffer_rows=buffer_rows)
    batches = list(loader.epoch(1))
    assert Counter(as_rows(batches)) == expected
    assert len(batches) == loader.steps
    assert max(map(len, batches)) <= 100
    assert max(map(len, batches)) - min(map(len, batches)) <= 1


def test_each_epoch_has_its_own_order_and_a_seed_repeats_it(encoded_store) -> None:
    first, second = (as_rows(loader_of(encoded_store).epoch(epoch)) for epoch in (1, 2))
    assert first != second
    assert as_rows(loader_of(encoded_store).epoch(2)) == second
    assert as_rows(loader_of(encoded_store, seed=1).epoch(2)) != second


def test_without_shuffling_rows_come_in_the_order_of_the_files(encoded_store) -> None:
    expected = [row for rows in rows_of(encoded_store, Split.TRAIN).values() for row in rows]
    assert as_rows(loader_of(encoded_store, shuffle=False, buffer_rows=1).epoch()) == expected


def test_a_batch_mixes_files_and_days(encoded_store) -> None:
    file_of = {row: name for name, rows in rows_of(encoded_store, Split.TRAIN).items() for row in rows}
    first = next(loader_of(encoded_store, buffer_rows=3000).epoch(1))
    counts = Counter(file_of[row] for row in as_rows([first]))
    assert len({name[:10] for name in counts}) >= 2
    assert len(counts) >= 3
    assert max(counts.values()) < 60


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_the_rows_without_overlap_in_equal_steps(encoded_store, world_size) -> None:
    expected = Counter(row for rows in rows_of(encoded_store, Split.TRAIN).values() for row in rows)
    loaders = [loader_of(encoded_store, rank=rank, world_size=world_size) for rank in range(world_size)]
    batches = [list(loader.epoch(3)) for loader in loaders]
    assert {len(of_rank) for of_rank in batches} == {loaders[0].steps}
    assert sum((Counter(as_rows(of_rank)) for of_rank in batches), Counter()) == expected
    for step in range(loaders[0].steps):
        assert sum(len(of_rank[step]) for of_rank in batches) == loaders[-1].global_batch_rows(step)


@given(
    rows=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    world_size=st.integers(1, 6),
    batch_rows=st.integers(1, 50),
    buffer_rows=st.integers(1, 60),
    shuffle=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_every_rank_makes_as_many_steps_however_few_the_rows(
    rows, world_size, batch_rows, buffer_rows, shuffle
) -> None:
    starts = np.cumsum([0, *rows])
    contents = [np.arange(a, b, dtype=np.int32)[:, None] for a, b in itertools.pairwise(starts)]
    groups = [RowGroup(None, None, index, count, None) for index, count in enumerate(rows)]  # type: ignore[arg-type]
    options = {"batch_rows": batch_rows, "buffer_rows": buffer_rows, "shuffle": shuffle, "world_size": world_size}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loading, "read_row_group", lambda store, group, columns: contents[group.index])
        loaders = [Loader(None, groups, ["row"], rank=rank, **options) for rank in range(world_size)]  # type: ignore[arg-type]
        batches = [[batch.copy() for batch in loader.epoch(3)] for loader in loaders]
    total, steps = sum(rows), loaders[0].steps
    assert sorted(row for of_rank in batches for batch in of_rank for row in batch[:, 0]) == list(range(total))
    assert {len(of_rank) for of_rank in batches} == {steps}
    assert steps == -(-total // (batch_rows * world_size))
    for step in range(steps):
        sizes = [len(of_rank[step]) for of_rank in batches]
        assert sizes == [loaders[0].batch_rows(step, rank) for rank in range(world_size)]
        assert 0 < sum(sizes) == loaders[0].global_batch_rows(step)
        assert max(sizes) <= batch_rows
        assert max(sizes) - min(sizes) <= 2


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    peaks, buffered = [], []
    for days in (4, 16):
        store = Store(str(tmp_path / str(days)))
        names = [f"2014-11-{day:02d}" for day in range(1, days + 1)]
        write_days(store, names, rows_per_day=2000, files_per_day=1)
        loader = loader_of(store, names, buffer_rows=2500)
        tracemalloc.start()
        for _ in loader.epoch(1):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        buffered.append(loader.peak_buffered_rows)
        assert loader.total_rows > 1000 * days
    assert max(buffered) <= 2500 + 2000
    assert peaks[1] < 1.7 * peaks[0]  # four times the rows; how far ahead the readers are varies


def test_abandoning_an_epoch_leaves_no_reader_behind(encoded_store) -> None:
    import threading

    before = threading.active_count()
    epoch = loader_of(encoded_store, buffer_rows=1).epoch(1)
    next(epoch)
    epoch.close()
    assert threading.active_count() == before


def test_a_row_group_of_two_splits_is_refused(store: Store) -> None:
    version = store.begin(ENCODED_FEATURES, DAYS[0])
    from ctr_assets.storage import write_parquet

    old = store.manifest(ENCODED_FEATURES, DAYS[0])
    with store.parquet(old, old.files[0]) as parquet:
        mixed = parquet.read().cast(ENCODED_SCHEMA)
    version.commit([write_parquet(store, version.folder, "mixed.parquet", mixed)], columns_of(ENCODED_SCHEMA))
    with pytest.raises(ValueError, match=r"mixed\.parquet does not hold rows of exactly one split"):
        find_row_groups(store, [store.manifest(ENCODED_FEATURES, DAYS[0])], Split.TRAIN)
