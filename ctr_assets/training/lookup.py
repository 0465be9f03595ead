"""Where the values of a batch find their rows: the distinct rows of each table, once each.

Three numberings meet here. A *batch row* (0..B-1) is an impression of the batch. A *table row* (0..R-1) is where the
weights of an id lie. A *slot* (0..U-1) is the place of a table row among the distinct ones that the batch reads.
"""
# ruff: noqa: N815  (capitals at the end of a name are its axes)

from dataclasses import dataclass

import numpy as np
import torch

from ctr_assets.training.layout import Layout, TableLayout
from ctr_assets.training.rowgroups import Matrix


@dataclass(frozen=True)
class Lookup:
    """What a batch reads from one table; all tensors are int32. Letters of axes: :mod:`ctr_assets.training`."""

    table_row_U: torch.Tensor
    """The distinct rows, ascending."""
    slot_BF: torch.Tensor
    """The slot of each value."""
    batch_row_V: torch.Tensor
    """The batch row of each value, in the order of the slots: what the backward pass adds up lies together."""
    start_U: torch.Tensor
    """Where each slot's values begin in ``batch_row_V``."""
    slot_end_F: tuple[int, ...]
    """The slot after the last of each feature."""

    def to(self, device: torch.device) -> "Lookup":
        return Lookup(
            self.table_row_U.to(device),
            self.slot_BF.to(device),
            self.batch_row_V.to(device),
            self.start_U.to(device),
            self.slot_end_F,
        )


def look_up(layout: Layout, id_BF: Matrix) -> list[Lookup]:
    """The look-up of each of ``layout.tables`` for a batch of ids, whose columns are ``layout.features``.

    Ids below 0 or beyond the feature's size read as unknown. A feature takes one sort, of row and batch row packed into
    64 bits, which numpy sorts in vector registers. That is as fast as torch's own sort; it is done in the thread that
    prepares batches, beside the step, and once for all tables that read the feature.
    """
    B, F = id_BF.shape
    # Rows are counted as if all features were in one table; _of_table counts those of each.
    packed_FB = (known_ids(layout, id_BF) + np.array(layout.offsets[:-1], dtype=np.int32)).T.astype(np.int64)
    packed_FB <<= 32
    packed_FB |= np.arange(B)
    packed_FB.sort(axis=1)
    row_V = (packed_FB >> 32).astype(np.int32).ravel()
    batch_row_FB = packed_FB.astype(np.int32)  # the low half
    is_first_V = np.empty(row_V.size, dtype=bool)
    is_first_V[:1] = True
    np.not_equal(row_V[1:], row_V[:-1], out=is_first_V[1:])
    slot_FB = np.cumsum(is_first_V, dtype=np.int32).reshape(F, B) - 1
    slot_BF = np.empty((B, F), dtype=np.int32)
    slot_BF[batch_row_FB, np.arange(F)[:, None]] = slot_FB
    start_U = np.flatnonzero(is_first_V).astype(np.int32)
    row_U = row_V[start_U]
    first_slots = np.searchsorted(row_U, layout.offsets).tolist()
    return [_of_table(table, layout, row_U, slot_BF, batch_row_FB, start_U, first_slots) for table in layout.tables]


def known_ids(layout: Layout, id_BF: Matrix) -> Matrix:
    """The same ids, those below 0 or beyond their feature's size as unknown."""
    return id_BF * (id_BF.view(np.uint32) <= np.array(layout.sizes, dtype=np.uint32))


def _of_table(
    table: TableLayout,
    layout: Layout,
    row_U: Matrix,
    slot_BF: Matrix,
    batch_row_FB: Matrix,
    start_U: Matrix,
    first_slots: list[int],
) -> Lookup:
    """The part of a batch's look-up that a table's features take; all are views or shifts of the whole.

    ``first_slots``: of each feature, and the number of all slots.
    """
    first, end = table.first, table.end
    low, high = first_slots[first], first_slots[end]
    return Lookup(
        table_row_U=torch.from_numpy(row_U[low:high] - np.int32(layout.offsets[first])),
        slot_BF=torch.from_numpy(slot_BF[:, first:end] - np.int32(low)),
        batch_row_V=torch.from_numpy(batch_row_FB[first:end].reshape(-1)),
        start_U=torch.from_numpy(start_U[low:high] - np.int32(first * len(slot_BF))),
        slot_end_F=tuple(slot - low for slot in first_slots[first + 1 : end + 1]),
    )
