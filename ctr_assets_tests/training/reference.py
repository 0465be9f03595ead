"""Wide & Deep in plain PyTorch: what ``ctr_assets.training.model`` computes, without anything that makes it fast.

It stands with the tests because nothing is trained by it: the fast model is held to it, logits and gradients.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import nn

from ctr_assets.training.layout import Layout
from ctr_assets.training.model import WideDeep


class ReferenceWideDeep(nn.Module):
    """Logit of a click = bias + sum of the wide weights + perceptron of the embeddings (Cheng et al., 2016)."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        wide: Iterable[str],
        deep: Mapping[str, int],
        hidden: Sequence[int],
        wide_dropout: float = 0.0,
    ) -> None:
        """``sizes``: feature → its ids, 1..size, 0 being unknown. ``deep``: feature → length of its embeddings."""
        super().__init__()
        self.wide = nn.ModuleDict({name: nn.Embedding(sizes[name] + 1, 1) for name in wide})
        self.deep = nn.ModuleDict({name: nn.Embedding(sizes[name] + 1, length) for name, length in deep.items()})
        widths = [sum(deep.values()), *hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.perceptron = nn.Sequential(*layers, nn.Linear(widths[-1], 1, bias=False))
        self.dropout = nn.Dropout(wide_dropout)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, ids: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits, shape (B,), from the ids of each feature, shape (B,)."""
        weights = torch.cat([embedding(ids[name]) for name, embedding in self.wide.items()], dim=1)
        embeddings = torch.cat([embedding(ids[name]) for name, embedding in self.deep.items()], dim=1)
        return self.bias + self.dropout(weights).sum(1) + self.perceptron(embeddings).squeeze(1)


def reference_of(model: WideDeep) -> ReferenceWideDeep:
    """The reference with the weights of a fast model."""
    layout = model.layout
    wide = layout.features[layout.wide.first : layout.wide.end] if layout.wide else ()
    deep = {name: part.dimension for part in layout.deep for name in layout.features[part.first : part.end]}
    hidden = [layer.out_features for layer in model.layers if isinstance(layer, nn.Linear)][:-1]
    reference = ReferenceWideDeep(sizes_of(layout), wide, deep, hidden, model.wide_dropout)
    weights = [table.weight for table in model.row_tables]
    reference.load_state_dict(as_the_reference_names_it(layout, weights, dict(model.named_parameters())))
    return reference


def sizes_of(layout: Layout) -> dict[str, int]:
    return dict(zip(layout.features, layout.sizes, strict=True))


def as_the_reference_names_it(
    layout: Layout, of_tables: Iterable[torch.Tensor], of_parameters: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """What a fast model holds of each table, shape (R, D), and of each dense parameter: weights, or their gradients."""
    named, sizes = {"bias": of_parameters["bias"]}, sizes_of(layout)
    for table, rows in zip(layout.tables, of_tables, strict=True):
        names = layout.features[table.first : table.end]
        part = "wide" if table is layout.wide else "deep"
        of_features = rows.split([sizes[name] + 1 for name in names])
        named |= {f"{part}.{name}.weight": of_feature for name, of_feature in zip(names, of_features, strict=True)}
    for name, tensor in of_parameters.items():
        if name.startswith("layers."):
            _, number, kind = name.split(".")
            named[f"perceptron.{2 * int(number)}.{kind}"] = tensor  # an activation follows each layer
    return named
