"""Where the values of a batch find their rows: the distinct rows of each table, once each."""

from dataclasses import dataclass

import numpy as np
import torch

from ctr_assets.training.layout import Layout, TableLayout
from ctr_assets.training.rowgroups import Matrix


@dataclass(frozen=True)
class Lookup:
    """What a batch of B rows reads from a table of n features; U distinct ids in all.

    ``rows`` int32 (U,): rows of the table, ascending. ``inverse`` int32 (B, n): the position in ``rows`` of each
    value. ``order`` int32 (B·n,): the batch's row of each value, sorted by id; ``starts`` int32 (U,): where each
    distinct id begins in ``order``. ``feature_ends``: where each feature ends in ``rows``.
    """

    rows: torch.Tensor
    inverse: torch.Tensor
    order: torch.Tensor
    starts: torch.Tensor
    feature_ends: tuple[int, ...]

    def to(self, device: torch.device) -> "Lookup":
        rows, inverse, order, starts = (t.to(device) for t in (self.rows, self.inverse, self.order, self.starts))
        return Lookup(rows, inverse, order, starts, self.feature_ends)


def look_up(layout: Layout, ids: Matrix) -> list[Lookup]:
    """The look-up of each of ``layout.tables`` for a batch of ids, shape ``(B, len(layout.features))``.

    Ids below 0 or beyond the feature's size read as unknown. One sort of (id, row) packed into 64 bits a feature:
    numpy sorts these in vector registers, several times as fast as ``torch.unique``; the sorted order is kept, since
    it lets the backward pass sum the gradients of each id without atomics, so repeatably.
    """
    batch, features = ids.shape
    packed = (known_ids(layout, ids) + np.array(layout.offsets[:-1], dtype=np.int32)).T.astype(np.int64)
    packed <<= 32
    packed |= np.arange(batch)
    packed.sort(axis=1)
    row_ids = (packed >> 32).astype(np.int32).ravel()
    order = packed.astype(np.int32)  # the low half: (features, B)
    is_first = np.empty(row_ids.size, dtype=bool)
    is_first[:1] = True
    np.not_equal(row_ids[1:], row_ids[:-1], out=is_first[1:])
    inverse = np.empty((batch, features), dtype=np.int32)
    slots = np.cumsum(is_first, dtype=np.int32).reshape(features, batch) - 1
    inverse[order, np.arange(features)[:, None]] = slots
    starts = np.flatnonzero(is_first).astype(np.int32)
    rows = row_ids[starts]
    feature_ends = np.searchsorted(rows, layout.offsets).tolist()  # [f] is where feature f begins
    return [_of_table(table, layout, rows, inverse, order, starts, feature_ends) for table in layout.tables]


def known_ids(layout: Layout, ids: Matrix) -> Matrix:
    """The same ids, those below 0 or beyond their feature's size as unknown."""
    return ids * (ids.view(np.uint32) <= np.array(layout.sizes, dtype=np.uint32))


def _of_table(
    table: TableLayout, layout: Layout, rows: Matrix, inverse: Matrix, order: Matrix, starts: Matrix, begins: list[int]
) -> Lookup:
    """The part of a batch's look-up that a table's features take; all are views or shifts of the whole."""
    first, end = table.first, table.end
    low, high = begins[first], begins[end]
    return Lookup(
        rows=torch.from_numpy(rows[low:high] - np.int32(layout.offsets[first])),
        inverse=torch.from_numpy(inverse[:, first:end] - np.int32(low)),
        order=torch.from_numpy(order[first:end].reshape(-1)),
        starts=torch.from_numpy(starts[low:high] - np.int32(first * len(inverse))),
        feature_ends=tuple(position - low for position in begins[first + 1 : end + 1]),
    )
