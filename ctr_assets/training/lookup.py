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
class Pieces:
    """Segments cut where they are long: a processor of many small cores sums the pieces side by side. Both are int32.

    K pieces, at least as many as there are: those left over are empty.
    """

    start_K: torch.Tensor
    """Where each piece's values begin in ``Lookup.batch_row_V``."""
    first_U: torch.Tensor
    """The first piece of each slot."""


@dataclass(frozen=True)
class Lookup:
    """What a batch reads from one table; all tensors are int32. Letters of axes: :mod:`ctr_assets.training`."""

    table_row_U: torch.Tensor
    """The distinct rows, ascending. A spare slot repeats the row of its neighbour."""
    slot_BF: torch.Tensor
    """The slot of each value."""
    batch_row_V: torch.Tensor
    """The batch row of each value, in the order of the slots: what the backward pass adds up lies together."""
    start_U: torch.Tensor
    """Where each slot's values begin in ``batch_row_V``."""
    slot_end_F: tuple[int, ...]
    """The slot after the last of each feature."""
    source_U: torch.Tensor | None = None
    """The slot itself, or the one that a spare slot repeats; None where no slot is spare."""
    pieces: Pieces | None = None
    """None where one core sums a segment in one go."""


def look_up(layout: Layout, id_BF: Matrix) -> list[Lookup]:
    """The look-up of each of ``layout.tables`` for a batch of ids, whose columns are ``layout.features``.

    Ids below 0 or beyond the feature's size read as unknown. A feature takes one sort for all tables that read it, in
    the thread that prepares batches beside the step.
    """
    B, F = id_BF.shape
    id_FB, batch_row_FB = _sorted(layout, np.ascontiguousarray(known_ids(layout, id_BF).T))
    # Rows are counted as if all features were in one table; _of_table counts those of each.
    row_V = (id_FB + np.array(layout.offsets[:-1], dtype=np.int32)[:, None]).ravel()
    is_first_V = np.empty(row_V.size, dtype=bool)
    is_first_V[:1] = True
    np.not_equal(row_V[1:], row_V[:-1], out=is_first_V[1:])
    slot_BF = np.empty((B, F), dtype=np.int32)
    value_V = (batch_row_FB * np.int32(F) + np.arange(F, dtype=np.int32)[:, None]).ravel()
    slot_BF.reshape(-1)[value_V] = np.cumsum(is_first_V, dtype=np.int32) - 1
    start_U = np.flatnonzero(is_first_V).astype(np.int32)
    row_U = row_V[start_U]
    first_slots = np.searchsorted(row_U, layout.offsets).tolist()
    return [_of_table(table, layout, row_U, slot_BF, batch_row_FB, start_U, first_slots) for table in layout.tables]


def _sorted(layout: Layout, id_FB: Matrix) -> tuple[Matrix, Matrix]:
    """The ids of each feature, ascending, and the batch row of each, (F, B) both; equal ids as the batch has them.

    An id and its batch row are packed into one number, which numpy sorts in vector registers: of 32 bits where they fit
    in, which takes half the time of 64.
    """
    B = id_FB.shape[1]
    bits = B.bit_length()
    batch_row_FB = np.empty_like(id_FB)
    is_short_F = np.array(layout.sizes) < 1 << (32 - bits)
    for kind, of_kind_F in ((np.uint32, is_short_F), (np.uint64, ~is_short_F)):
        packed_FB = id_FB[of_kind_F].astype(kind)
        packed_FB <<= kind(bits)
        packed_FB |= np.arange(B, dtype=kind)
        packed_FB.sort(axis=1)
        id_FB[of_kind_F] = packed_FB >> kind(bits)
        batch_row_FB[of_kind_F] = packed_FB & kind((1 << bits) - 1)
    return id_FB, batch_row_FB


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
