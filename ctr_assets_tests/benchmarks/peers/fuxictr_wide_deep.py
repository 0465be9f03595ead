"""Wide & Deep on FuxiCTR.

The library's own: the layers (FeatureEmbedding, LogisticRegression, MLP_Block) and their initial weights, and of its
BaseModel the optimizer, the loss, the loop of the epoch (``fit``, with its clipping of gradients at norm 10) and
``predict``.

Not the library's: the dozen lines that put the layers together, because its wheel has no model zoo (they do what the
zoo's WideDeep does, only that the wide and the deep part each read features of their own); and the batches, which are
cut from one tensor in memory, because its loaders read files, row by row. Validation and the checkpoint that it writes
and loads are switched off.
"""

import time
from collections.abc import Iterator

import torch
from fuxictr import __version__
from fuxictr.features import FeatureMap
from fuxictr.pytorch.layers import FeatureEmbedding, LogisticRegression, MLP_Block
from fuxictr.pytorch.models import BaseModel
from peer_task import Rows, Task, read_task, write_figures

LABEL = "label"
NEVER = 2**62


class WideDeep(BaseModel):
    def __init__(self, task: Task) -> None:
        features = _feature_map(task, task.used)
        super().__init__(features, "wide_deep", gpu=task.gpu, eval_steps=NEVER, verbose=0, model_root="", metrics=[])
        self._wide = task.wide
        self.lr_layer = LogisticRegression(_feature_map(task, task.wide), use_bias=False)
        self.embedding_layer = FeatureEmbedding(
            self.feature_map, task.dimension, required_feature_columns=task.deep, use_pretrain=False
        )
        self.dnn = MLP_Block(len(task.deep) * task.dimension, task.hidden, hidden_activations="ReLU", output_dim=1)
        self.compile("adam", "binary_crossentropy", task.learning_rate)
        self.reset_parameters()
        self.model_to_device()

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        columns = self.get_inputs(inputs)
        logit = self.lr_layer({name: columns[name] for name in self._wide})
        logit = logit + self.dnn(self.embedding_layer(columns, flatten_emb=True))
        return {"y_pred": self.output_activation(logit)}

    def load_weights(self, checkpoint: str) -> None:
        """``fit`` ends with this; there is no checkpoint without validation."""


def _feature_map(task: Task, names: list[str]) -> FeatureMap:
    feature_map = FeatureMap("task", "")
    for name in names:
        feature_map.features[name] = {"source": "", "type": "categorical", "vocab_size": task.vocabulary[name]}
    feature_map.labels = [LABEL]
    feature_map.num_fields = feature_map.get_num_fields()
    feature_map.default_emb_dim = task.dimension
    feature_map.set_column_index()
    return feature_map


class Batches:
    """Batches as FuxiCTR's loaders give them, a tensor for each feature and the label, from arrays in memory."""

    def __init__(self, task: Task, rows: Rows, *, shuffle: bool) -> None:
        self._names = task.used
        self._ids = torch.from_numpy(rows.ids[:, [task.column(name) for name in task.used]])
        self._label = torch.from_numpy(rows.label)
        self._batch_rows = task.batch_rows
        self._generator = torch.Generator().manual_seed(task.seed) if shuffle else None

    def __len__(self) -> int:
        return -(-len(self._label) // self._batch_rows)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        count = len(self._label)
        order = torch.arange(count) if self._generator is None else torch.randperm(count, generator=self._generator)
        for rows in order.split(self._batch_rows):
            yield {**dict(zip(self._names, self._ids[rows].unbind(1), strict=True)), LABEL: self._label[rows]}


def main() -> None:
    task = read_task(__doc__)
    model = WideDeep(task)
    train, test = Batches(task, task.train, shuffle=True), Batches(task, task.test, shuffle=False)
    start = time.perf_counter()
    model.fit(train, epochs=1)
    seconds = time.perf_counter() - start
    write_figures(f"fuxictr {__version__}", task, seconds, model.predict(test))


if __name__ == "__main__":
    main()
