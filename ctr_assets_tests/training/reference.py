"""Wide & Deep the slow and obvious way: one-hot sums and ``nn.Embedding`` with dense gradients, to compare with."""

import torch
from torch import nn

from ctr_assets.training.model import WideDeep


class ReferenceWideDeep(nn.Module):
    """The same weights as a fast model, one ``nn.Embedding`` a feature and part."""

    def __init__(self, model: WideDeep) -> None:
        super().__init__()
        self.layout = model.layout
        self.wide: dict[str, nn.Embedding] = {}
        self.deep: dict[str, nn.Embedding] = {}
        for table in model.row_tables:
            begin = 0
            for position in range(table.layout.first, table.layout.end):
                rows = self.layout.sizes[position] + 1
                part = self.wide if table.layout is self.layout.wide else self.deep
                weight = table.weight[begin : begin + rows].clone()
                part[self.layout.features[position]] = nn.Embedding.from_pretrained(weight, freeze=False)
                begin += rows
        self.layers = nn.ModuleList(
            nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            for layer in model.layers
            if isinstance(layer, nn.Linear)
        )
        self.layers.load_state_dict(model.layers.state_dict())
        self.bias = nn.Parameter(model.bias.detach().clone())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        column = {name: ids[:, position] for position, name in enumerate(self.layout.features)}
        one_hot = torch.cat(
            [nn.functional.one_hot(column[n], e.num_embeddings).float() for n, e in self.wide.items()], 1
        )
        wide = one_hot @ torch.cat([embedding.weight for embedding in self.wide.values()])
        hidden = torch.cat([embedding(column[name]) for name, embedding in self.deep.items()], 1)
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
        return (self.bias + wide + self.layers[-1](hidden)).squeeze(1)
