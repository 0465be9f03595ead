"""The Wide & Deep model: a weight per id, summed, plus embeddings through a perceptron (Cheng et al., 2016).

``ctr_assets_tests/training/reference.py`` is the same model in plain PyTorch: read it first. Here a batch touches only
its distinct rows of the tables, each once (``lookup``, ``gather``), and long embeddings meet the first dense layer
before they are gathered (``layout``). A step takes half of plain PyTorch's CPU time with the default preset, two thirds
with the original (``make bench SECTIONS=parts``).

What is not here: which optimizer moves the weights, and how batches are made.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from ctr_assets.training.gather import gather, gather_sum
from ctr_assets.training.layout import Layout, TableLayout
from ctr_assets.training.lookup import Lookup

EMBEDDING_STD = 0.01
"""Small, so that an id which the window never showed says next to nothing, like the unknown id (zero)."""


class RowTable(nn.Module):
    """A table of weights of which a batch touches few rows.

    The weights are a buffer, so no dense gradient exists. In training :meth:`read` leaves the rows that were read in
    :attr:`touched`, whose ``grad`` the backward pass fills.
    """

    weight: torch.Tensor

    def __init__(self, layout: TableLayout, unknown_rows: torch.Tensor, std: float, generator: torch.Generator) -> None:
        super().__init__()
        weight = torch.zeros(layout.rows, layout.dimension)
        if std:
            weight.uniform_(-std * math.sqrt(3), std * math.sqrt(3), generator=generator)
            weight[unknown_rows] = 0.0
        self.register_buffer("weight", weight)
        self.layout = layout
        self.touched: torch.Tensor | None = None

    def read(self, lookup: Lookup) -> torch.Tensor:
        """The distinct rows of a batch, shape (U, D)."""
        rows_UD = self.weight.index_select(0, lookup.table_row_U)
        if self.training:
            self.touched = rows_UD.requires_grad_()
        return rows_UD

    def take_gradient(self) -> torch.Tensor:
        """The gradient of the rows of the last batch, shape (U, D); forgets the batch."""
        if self.touched is None or self.touched.grad is None:
            raise RuntimeError(f"table {self.layout.name} has no gradient: no backward pass since its last use")
        gradient, self.touched = self.touched.grad, None
        return gradient


class WideDeep(nn.Module):
    """Logit of a click = bias + sum of wide weights + perceptron(embeddings).

    ``forward`` takes the look-ups of a batch, one for each of ``layout.tables`` (see :func:`lookup.look_up`), and
    returns the logits, shape (B,), float32. Initial weights are a function of ``seed``. The bias starts at the
    log-odds of ``base_rate``, so that training does not begin by learning it.
    """

    def __init__(
        self, layout: Layout, hidden: list[int], *, wide_dropout: float = 0.0, base_rate: float = 0.5, seed: int = 0
    ) -> None:
        super().__init__()
        self.layout, self.wide_dropout = layout, wide_dropout
        generator = torch.Generator().manual_seed(seed)
        self.tables = nn.ModuleList(
            RowTable(table, _unknown_rows(layout, table), 0.0 if table is layout.wide else EMBEDDING_STD, generator)
            for table in layout.tables
        )
        widths = [layout.deep_width, *hidden, 1]
        # The last layer has no bias of its own: it is the model's.
        layers = [nn.Linear(widths[i], widths[i + 1], bias=i < len(hidden)) for i in range(len(hidden) + 1)]
        for layer in layers:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.bias = nn.Parameter(torch.tensor(math.log(base_rate / (1 - base_rate))))

    @property
    def row_tables(self) -> list[RowTable]:
        return [table for table in self.tables if isinstance(table, RowTable)]

    def forward(self, lookups: list[Lookup]) -> torch.Tensor:
        return self.logits(
            [table.read(lookup) for table, lookup in zip(self.row_tables, lookups, strict=True)], lookups
        )

    def logits(self, rows: list[torch.Tensor], lookups: list[Lookup]) -> torch.Tensor:
        """The same from the distinct rows of each table, (U, D), and where they belong: a function of tensors."""
        logits: torch.Tensor = self.bias
        parts = list(zip(self.layout.tables, rows, lookups, strict=True))
        if self.layout.wide:
            (_, rows_UD, lookup), *parts = parts
            weights_BF = gather(rows_UD, lookup).squeeze(2)
            logits = logits + functional.dropout(weights_BF, self.wide_dropout, self.training).sum(1)
        hidden = self._first_layer(parts)
        for layer in self.layers[1:]:
            hidden = layer(functional.relu_(hidden))
        return logits + hidden.squeeze(1).float()

    def _first_layer(self, parts: list[tuple[TableLayout, torch.Tensor, Lookup]]) -> torch.Tensor:
        """The first dense layer over all embeddings, before its activation, shape (B, H).

        It is linear, so each table takes its own columns of the layer's weight: W·concat(e_1, …) = W_1·e_1 + ….
        """
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        gathered, kept_columns, column = [], [], 0
        total_BH: torch.Tensor | None = None
        bias: torch.Tensor | None = first.bias  # goes with whichever part comes first
        for table, rows_UD, lookup in parts:
            width = table.features * table.dimension
            columns = first.weight[:, column : column + width]
            column += width
            if table.is_projected:
                projected_BH = gather_sum(_project(rows_UD, lookup, columns, bias), lookup)
                total_BH = projected_BH if total_BH is None else total_BH + projected_BH
                bias = None
            else:
                gathered.append(gather(rows_UD, lookup).flatten(1))
                kept_columns.append(columns)
        if gathered:
            direct_BH = functional.linear(_beside(gathered), _beside(kept_columns), bias)
            total_BH = direct_BH if total_BH is None else total_BH + direct_BH
        assert total_BH is not None
        return total_BH


def _beside(parts: list[torch.Tensor]) -> torch.Tensor:
    """The columns of all parts; of a single one itself, which ``cat`` would copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _project(rows_UD: torch.Tensor, lookup: Lookup, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Each feature's rows through that feature's columns of a dense layer's weight, (H, F·D); shape (U, H).

    The bias goes with the first feature: a row of the batch has one value of it, so gets the bias once.
    """
    begins = (0, *lookup.slot_end_F[:-1])
    columns = weight.chunk(len(begins), dim=1)
    spans = zip(begins, lookup.slot_end_F, columns, strict=True)
    biases = (bias, *[None] * (len(begins) - 1))
    parts = [functional.linear(rows_UD[a:b], part, extra) for (a, b, part), extra in zip(spans, biases, strict=True)]
    return torch.cat(parts)


def _unknown_rows(layout: Layout, table: TableLayout) -> torch.Tensor:
    return torch.tensor(layout.offsets[table.first : table.end]) - layout.offsets[table.first]
