"""A trained model as a function of ids: whatever no longer changes is computed once, before the first prediction.

A prediction takes 0.6 of the CPU time of plain PyTorch with the default preset, 0.3 with the original (``make bench
SECTIONS=parts``).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ctr_assets.training.lookup import known_ids
from ctr_assets.training.model import WideDeep
from ctr_assets.training.rowgroups import Matrix

PROJECTED_ROWS = 16_384
"""Largest table whose rows are multiplied through the first layer beforehand: of 256 units that is 16 MiB. A larger
product outgrows the caches, and most of its rows would never be read."""


class _Stack:
    """The rows of several features, one below the other: position ``starts[i] + id`` is an id of feature i."""

    def __init__(self, parts: list[tuple[int, torch.Tensor]]) -> None:
        self.features = [feature for feature, _ in parts]
        self.starts = np.cumsum([0, *(len(rows) for _, rows in parts[:-1])], dtype=np.int32)
        self.rows = torch.cat([rows for _, rows in parts])

    def positions(self, id_BF: Matrix) -> torch.Tensor:
        return torch.from_numpy(id_BF[:, self.features] + self.starts)

    def sums(self, position_BF: torch.Tensor) -> torch.Tensor:
        """Sum of the features' rows, shape (B, D)."""
        return functional.embedding_bag(position_BF.to(self.rows.device), self.rows, mode="sum")


@dataclass(frozen=True)
class Positions:
    """What a batch reads: int32 positions in the stacks, and the ids of the other features. All have shape (B, F)."""

    wide: torch.Tensor | None
    projected: torch.Tensor | None
    direct: torch.Tensor


class FrozenWideDeep:
    """Click probabilities of a model whose weights stay as they are.

    The first dense layer is linear in the embeddings: W·concat(e_1, ..., e_n) = sum of W_f·e_f. For a feature of at
    most ``PROJECTED_ROWS`` values, W_f·e_f is computed once for every value, and a prediction adds up rows instead of
    multiplying matrices: equal to :class:`WideDeep` up to rounding.
    """

    def __init__(self, model: WideDeep, device: torch.device) -> None:
        layout = self.layout = model.layout
        self.device = device
        first, *self.layers = (layer for layer in model.to(device).layers if isinstance(layer, nn.Linear))
        self.bias = model.bias
        bias: torch.Tensor = first.bias
        wide: list[tuple[int, torch.Tensor]] = []
        projected: list[tuple[int, torch.Tensor]] = []
        self.direct: list[tuple[int, torch.Tensor]] = []
        columns, column = [], 0
        for part, table in zip(layout.tables, model.row_tables, strict=True):
            rows_of_feature = table.weight.split([size + 1 for size in layout.sizes[part.first : part.end]])
            for feature, rows in enumerate(rows_of_feature, part.first):
                if part is layout.wide:
                    wide.append((feature, rows))
                    continue
                weight = first.weight[:, column : column + part.dimension]
                column += part.dimension
                if len(rows) <= PROJECTED_ROWS:
                    projected.append((feature, torch.addmm(bias, rows, weight.T)))
                    bias = torch.zeros_like(bias)  # a row of a batch has one value of each feature: the bias once
                else:
                    self.direct.append((feature, rows))
                    columns.append(weight)
        self.wide = _Stack(wide) if wide else None
        self.projected = _Stack(projected) if projected else None
        self.direct_weight = torch.cat(columns, 1).T if columns else None
        self.first_bias = bias

    def find(self, id_BF: Matrix) -> Positions:
        """Where a batch of ids is found. Ids below 0 or beyond the vocabulary read as unknown."""
        known_BF = known_ids(self.layout, id_BF)
        return Positions(
            wide=self.wide.positions(known_BF) if self.wide else None,
            projected=self.projected.positions(known_BF) if self.projected else None,
            direct=torch.from_numpy(known_BF[:, [feature for feature, _ in self.direct]]),
        )

    def __call__(self, found: Positions) -> torch.Tensor:
        """Probabilities, shape (B,), float32, on the device."""
        hidden = self.projected.sums(found.projected) if self.projected and found.projected is not None else None
        if self.direct_weight is not None:
            id_BF = found.direct.to(self.device)
            gathered = [rows.index_select(0, id_BF[:, i]) for i, (_, rows) in enumerate(self.direct)]
            if hidden is None:
                hidden = self.first_bias.repeat(len(id_BF), 1)
            # Added up within the product: a pass over (B, H) of its own would cost as much as the product.
            hidden.addmm_(torch.cat(gathered, 1), self.direct_weight)
        assert hidden is not None
        for layer in self.layers:
            hidden = layer(functional.relu_(hidden))
        logits = self.bias + hidden.squeeze(1)
        if self.wide and found.wide is not None:
            logits = logits + self.wide.sums(found.wide).squeeze(1)
        return torch.sigmoid(logits)
