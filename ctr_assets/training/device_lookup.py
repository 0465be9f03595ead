"""The look-up of :mod:`ctr_assets.training.lookup` on the device that trains: nothing of it is known to the host.

How many distinct ids a batch has, the host could learn only by waiting for the device. So each feature has as many
slots as it can ever need: the rows of a batch, or the feature's ids where they are fewer. Slots that a batch leaves
over are *spare*: they repeat the row of a neighbour, have no values and so a gradient of zero. Every shape follows from
the batch's number of rows, which is what CUDA graphs and ``torch.compile`` ask for
(``docs/decisions/static-shapes.md``).
"""

from itertools import accumulate
from typing import Final

import numpy as np
import torch

from ctr_assets.training.gather import segment_sums
from ctr_assets.training.layout import Layout, TableLayout
from ctr_assets.training.lookup import Lookup, Pieces

PIECE_VALUES: Final = 256
"""Most values that are summed one after the other. A batch of 65,536 rows may hold one id 60,000 times; in pieces that
is two sums of at most 256 numbers."""


class DeviceLookUp:
    """The look-ups of batches of at most ``most_rows`` rows: equal to those of ``look_up`` but for spare slots."""

    def __init__(self, layout: Layout, most_rows: int, device: torch.device) -> None:
        self.layout = layout
        self.slot_bounds = (0, *accumulate(min(max(1, most_rows), size + 1) for size in layout.sizes))
        self.size_F, self.offset_F, self.first_slot_F = (
            torch.tensor(numbers, dtype=torch.int32, device=device)
            for numbers in (layout.sizes, layout.offsets[:-1], self.slot_bounds[:-1])
        )

    def __call__(self, id_BF: torch.Tensor) -> list[Lookup]:
        """The look-up of each of ``layout.tables`` for int32 ids on the device, columns as ``layout.features``."""
        B, F = id_BF.shape
        device = id_BF.device
        known_BF = torch.where((id_BF < 0) | (id_BF > self.size_F), 0, id_BF)
        packed_FB = (known_BF + self.offset_F).T.long() << 32 | torch.arange(B, device=device)
        # Features lie in the order of their rows, so one sort of all keeps each feature's values together.
        packed_V = packed_FB.reshape(-1).sort().values
        row_V = (packed_V >> 32).int()
        batch_row_V = (packed_V & 0xFFFF_FFFF).int()
        is_first_V = _changes(row_V)
        slot_FB = is_first_V.cumsum(0, dtype=torch.int32).view(F, B)
        slot_FB = slot_FB + (self.first_slot_F.unsqueeze(1) - slot_FB[:, :1])
        position_FB = batch_row_V.view(F, B) + B * torch.arange(F, device=device).unsqueeze(1)
        slot_V = slot_FB.reshape(-1)
        slot_BF = torch.empty_like(slot_V).index_copy_(0, position_FB.reshape(-1), slot_V).view(F, B).T
        return [self._of_table(table, row_V, slot_V, batch_row_V, slot_BF) for table in self.layout.tables]

    def _of_table(
        self,
        table: TableLayout,
        row_V: torch.Tensor,
        slot_V: torch.Tensor,
        batch_row_V: torch.Tensor,
        slot_BF: torch.Tensor,
    ) -> Lookup:
        """The part of a batch's look-up that a table's features take. The tensors given are of all features."""
        first, end = table.first, table.end
        low, high = self.slot_bounds[first], self.slot_bounds[end]
        values = slice(first * len(slot_BF), end * len(slot_BF))
        slots_V = slot_V[values] - low
        start_U, source_U, row_U = distinct(row_V[values] - self.layout.offsets[first], slots_V, high - low)
        return Lookup(
            table_row_U=row_U,
            slot_BF=(slot_BF[:, first:end] - low).contiguous(),
            batch_row_V=batch_row_V[values],
            start_U=start_U,
            slot_end_F=tuple(bound - low for bound in self.slot_bounds[first + 1 : end + 1]),
            source_U=source_U,
            pieces=cut(slots_V, start_U),
        )


def distinct(row_V: torch.Tensor, slot_V: torch.Tensor, slots: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each of ``slots`` slots: where its values begin, itself or the slot that it repeats, and its row; (U,) each.

    ``row_V`` and ``slot_V`` ascend together. A rank that has no row of a step has no values: all its slots are spare,
    and repeat the table's first row.
    """
    if not len(row_V):
        nothing_U = torch.zeros(slots, dtype=torch.int32, device=row_V.device)
        return nothing_U, nothing_U, nothing_U
    start_U = _find(slot_V, slots)
    # A spare slot begins where the slot after it does, or after the last value.
    value_U = start_U.clamp(max=len(row_V) - 1)
    return start_U, slot_V.index_select(0, value_U), row_V.index_select(0, value_U)


def cut(slot_V: torch.Tensor, start_U: torch.Tensor) -> Pieces:
    """The pieces of at most ``PIECE_VALUES`` values of the slots that ``slot_V``, ascending, names."""
    V, U = len(slot_V), len(start_U)
    begins_V = _changes(slot_V) | (torch.arange(V, device=slot_V.device) % PIECE_VALUES == 0)
    piece_V = begins_V.cumsum(0, dtype=torch.int32) - 1
    past = piece_V[-1:] + 1 if V else torch.zeros(1, dtype=torch.int32, device=slot_V.device)
    return Pieces(_find(piece_V, U + -(-V // PIECE_VALUES)), torch.cat([piece_V, past]).index_select(0, start_U))


def sum_equal_rows(row_N: torch.Tensor, values_ND: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct ones of rows (N,) in any order, and of each the sum of its ``values_ND``; both of N slots.

    A spare slot repeats another's row and sum, so that it does no harm to write both.
    """
    N = len(row_N)
    packed_N = row_N.long() << 32 | torch.arange(N, device=row_N.device)
    # On a CPU numpy sorts in vector registers.
    packed_N = torch.from_numpy(np.sort(packed_N.numpy())) if packed_N.is_cpu else packed_N.sort().values
    sorted_N, order_N = (packed_N >> 32).int(), (packed_N & 0xFFFF_FFFF).int()
    slot_N = _changes(sorted_N).cumsum(0, dtype=torch.int32) - 1
    start_U, source_U, row_U = distinct(sorted_N, slot_N, N)
    return row_U, segment_sums(values_ND, order_N, start_U, cut(slot_N, start_U)).index_select(0, source_U)


def _changes(sorted_V: torch.Tensor) -> torch.Tensor:
    """Whether each value differs from the one before it; the first does."""
    is_first_V = torch.ones_like(sorted_V, dtype=torch.bool)
    torch.ne(sorted_V[1:], sorted_V[:-1], out=is_first_V[1:])
    return is_first_V


def _find(number_V: torch.Tensor, count: int) -> torch.Tensor:
    """The first position of each of 0..count-1 in the ascending ``number_V``, or where it would be."""
    numbers = torch.arange(count, dtype=torch.int32, device=number_V.device)
    return torch.searchsorted(number_V, numbers, out_int32=True)
