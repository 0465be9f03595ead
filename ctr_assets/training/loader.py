"""Batches of a split over a window of days: shuffled across files and days, shared between ranks, in bounded memory."""

import math
from collections.abc import Generator, Sequence
from itertools import accumulate

import numpy as np

from ctr_assets.storage import Store
from ctr_assets.storage.prefetch import map_ahead
from ctr_assets.training.rowgroups import Matrix, RowGroup, read_row_group

READ_AHEAD = 2
"""Row groups read before they are asked for: two hide the waiting of object storage and keep two cores busy."""


class Loader:
    """Serves every row of the row groups exactly once an epoch, over all ranks together.

    The row groups are put in a random order, the same on every rank. Each rank takes an equal share of that order,
    fills a buffer of at least ``buffer_rows`` rows from it, shuffles the buffer and cuts batches. Batches of an epoch
    differ by at most one row, so every rank makes :attr:`steps` steps and no step is a small rest. Where rows are few,
    a rank's batch may be empty; no step is empty on every rank.

    Memory: a buffer of ``buffer_rows`` plus one row group, one batch, and the row groups read ahead (at most
    1 + READ_AHEAD), however many rows there are.
    """

    def __init__(
        self,
        store: Store,
        groups: Sequence[RowGroup],
        columns: Sequence[str],
        *,
        batch_rows: int,
        buffer_rows: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.store, self.groups, self.columns = store, list(groups), list(columns)
        self.buffer_rows, self.seed, self.shuffle = buffer_rows, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.total_rows = sum(group.rows for group in self.groups)
        self.steps = math.ceil(self.total_rows / (batch_rows * world_size))
        self.most_batch_rows = max(
            -(-(end - first) // max(1, self.steps)) for first, end in map(self.share, range(world_size))
        )
        """Most rows of a batch, over all ranks."""
        self.peak_buffered_rows = 0
        """Most rows the shuffle buffer has held so far."""

    def share(self, rank: int) -> tuple[int, int]:
        """First row of a rank in the epoch's order, and the row after its last."""
        return self.total_rows * rank // self.world_size, self.total_rows * (rank + 1) // self.world_size

    @property
    def own_rows(self) -> int:
        """Rows of this rank."""
        first, end = self.share(self.rank)
        return end - first

    def batch_rows(self, step: int, rank: int) -> int:
        """Rows of a rank's batch of a step (from 0): known to every rank beforehand."""
        first, end = self.share(rank)
        return (end - first) * (step + 1) // self.steps - (end - first) * step // self.steps

    def global_batch_rows(self, step: int) -> int:
        """Rows of a step over all ranks."""
        return sum(self.batch_rows(step, rank) for rank in range(self.world_size))

    def epoch(self, epoch: int = 0) -> Generator[Matrix, None, None]:
        """This rank's batches of an epoch, each of shape ``(rows, len(columns))``; a function of the seed and epoch."""
        groups = self.groups
        if self.shuffle:
            groups = [groups[i] for i in np.random.default_rng([self.seed, epoch]).permutation(len(groups))]
        rng = np.random.default_rng([self.seed, epoch, 1 + self.rank])
        sizes = [self.batch_rows(step, self.rank) for step in range(self.steps)]
        full = max(self.buffer_rows, max(sizes, default=0))
        largest = max((group.rows for group in groups), default=0)
        buffer = np.empty((min(full + largest, self.own_rows), len(self.columns)), dtype=np.int32)
        held, remaining, step = 0, self.own_rows, 0
        for piece in self.pieces(groups):
            buffer[held : held + len(piece)] = piece
            held += len(piece)
            remaining -= len(piece)
            if remaining and held < full:
                continue
            self.peak_buffered_rows = max(self.peak_buffered_rows, held)
            rows = rng.permutation(held) if self.shuffle else np.arange(held)
            used = 0
            while step < self.steps and used + sizes[step] <= held:
                yield buffer[rows[used : used + sizes[step]]]
                used += sizes[step]
                step += 1
            rest = buffer[rows[used:]]
            held = len(rest)
            buffer[:held] = rest
        for _ in range(step, self.steps):  # a rank without any row
            yield buffer[:0]

    def pieces(self, groups: Sequence[RowGroup]) -> Generator[Matrix, None, None]:
        """This rank's share of all rows, for an order of the groups: a matrix for each group that it has rows of."""
        return map_ahead(self._read, self._slices(groups), READ_AHEAD)

    def _slices(self, groups: Sequence[RowGroup]) -> list[tuple[RowGroup, int, int]]:
        first, end = self.share(self.rank)
        ends = accumulate(group.rows for group in groups)
        bounds = (
            (g, max(0, first - e + g.rows), min(g.rows, end - e + g.rows)) for g, e in zip(groups, ends, strict=True)
        )
        return [(group, start, stop) for group, start, stop in bounds if start < stop]

    def _read(self, part: tuple[RowGroup, int, int]) -> Matrix:
        group, start, stop = part
        return read_row_group(self.store, group, self.columns)[start:stop]
