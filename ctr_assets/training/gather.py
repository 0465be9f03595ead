"""From the distinct rows of a batch to its values, with a backward pass that adds up each row's gradients in order.

``nn.Embedding`` would do both with the whole table. Here only the rows of the batch take part. Their gradients are
summed segment by segment, as the look-up has sorted them: without atomics, so the same batch gives the same bits. For
rows of 16 numbers that is a fifth of the CPU time of ``nn.Embedding``'s backward pass (``make bench SECTIONS=parts``).
"""

from typing import Any

import torch
from torch.nn import functional

from ctr_assets.training.lookup import Lookup, Pieces


def gather(rows_UD: torch.Tensor, lookup: Lookup) -> torch.Tensor:
    """``rows_UD[slot_BF]``, shape (B, F, D)."""
    values_BFD: torch.Tensor = _Gather.apply(rows_UD, lookup)  # type: ignore[no-untyped-call]
    return values_BFD


def gather_sum(rows_UH: torch.Tensor, lookup: Lookup) -> torch.Tensor:
    """``rows_UH[slot_BF].sum(1)``, shape (B, H), without the (B, F, H) in between."""
    sums_BH: torch.Tensor = _GatherSum.apply(rows_UH, lookup)  # type: ignore[no-untyped-call]
    return sums_BH


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_UD: torch.Tensor, lookup: Lookup) -> torch.Tensor:
        ctx.lookup = lookup
        B, F = lookup.slot_BF.shape
        return rows_UD.index_select(0, lookup.slot_BF.view(-1)).view(B, F, rows_UD.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (gradient_BFD,) = gradients
        B, F, D = gradient_BFD.shape
        feature_V = torch.arange(F, dtype=torch.int32, device=gradient_BFD.device).repeat_interleave(B)
        # Where the gradient of each value is, with the batch and its features as one axis.
        position_V = ctx.lookup.batch_row_V * F + feature_V
        return segment_sums(gradient_BFD.reshape(-1, D), position_V, ctx.lookup.start_U, ctx.lookup.pieces), None


class _GatherSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_UH: torch.Tensor, lookup: Lookup) -> torch.Tensor:
        ctx.lookup = lookup
        return functional.embedding_bag(lookup.slot_BF, rows_UH, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        # Every value of a batch row has that row's gradient.
        lookup = ctx.lookup
        return segment_sums(gradients[0].contiguous(), lookup.batch_row_V, lookup.start_U, lookup.pieces), None


def segment_sums(
    values: torch.Tensor, position_V: torch.Tensor, start_U: torch.Tensor, pieces: Pieces | None
) -> torch.Tensor:
    """Sum ``values[position_V]`` from each start to the next, shape (U, columns of ``values``)."""
    if pieces is None:
        return functional.embedding_bag(position_V, values, start_U, mode="sum")
    sums_KD = functional.embedding_bag(position_V, values, pieces.start_K, mode="sum")
    piece_K = torch.arange(len(sums_KD), dtype=torch.int32, device=values.device)
    return functional.embedding_bag(piece_K, sums_KD, pieces.first_U, mode="sum")
