"""The GBT baseline as a small file of trees, and its scoring in numpy: no Spark is needed to predict.

The file is written by ``ctr_assets.baselines.gbt`` from a fitted Spark model; its predictions are Spark's own.
"""

import math
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from ctr_assets.baselines.publish import read_card
from ctr_assets.features import UNKNOWN_ID
from ctr_assets.storage import Manifest, Store

TREES_NAME: Final = "trees.json"


class Leaf(BaseModel):
    """End of a path: what it adds to the margin, before the tree's weight."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["leaf"] = "leaf"
    prediction: float


class ThresholdSplit(BaseModel):
    """Left when the feature's id is at most ``threshold``: ids are ordered, the most frequent values first."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["threshold"] = "threshold"
    feature: str
    threshold: float
    left: "Node"
    right: "Node"


class CategorySplit(BaseModel):
    """Left when the feature's id is one of ``left_ids``."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["category"] = "category"
    feature: str
    left_ids: tuple[int, ...]
    left: "Node"
    right: "Node"


Node = Annotated[Leaf | ThresholdSplit | CategorySplit, Field(discriminator="kind")]


class WeightedTree(BaseModel):
    """One tree of the ensemble."""

    model_config = ConfigDict(frozen=True)

    weight: float
    root: Node


class Trees(BaseModel):
    """A gradient-boosted ensemble over vocabulary ids. ``vocabulary_sizes`` names its features: ids beyond are 0."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    vocabulary_sizes: dict[str, int]
    trees: tuple[WeightedTree, ...]


class GbtScorer:
    """Predicts click probabilities of encoded rows."""

    def __init__(self, trees: Trees, card: dict[str, Any]) -> None:
        self.trees = trees
        self.card = card
        """``model_card.json``: how the model was trained."""

    @classmethod
    def load(cls, store: Store, manifest: Manifest) -> Self:
        """Read the files of a ``gbt_baseline`` version."""
        file = store.file(manifest, TREES_NAME)
        with store.reading(manifest, file):
            trees = Trees.model_validate_json(store.read(manifest, file))
        return cls(trees, read_card(store, manifest))

    @property
    def columns(self) -> list[str]:
        """The columns of ``encoded_features`` that the model reads."""
        return list(self.trees.vocabulary_sizes)

    def predict(self, table: pa.Table) -> npt.NDArray[np.float32]:
        """Click probability of each row, shape ``(n,)``; ``table`` holds at least :attr:`columns`."""
        sizes = self.trees.vocabulary_sizes
        columns = {name: table.column(name).to_numpy() for name in sizes}
        ids = {name: np.where(column <= sizes[name], column, UNKNOWN_ID) for name, column in columns.items()}
        margin: npt.NDArray[np.float64] = np.zeros(table.num_rows)
        for tree in self.trees.trees:
            margin += tree.weight * _values(tree.root, ids, sizes)
        # Spark minimises 2 log(1 + exp(-2 y F)), Friedman's form of the logistic loss: hence the factor 2.
        return (1 / (1 + np.exp(-2 * margin))).astype(np.float32)


def _values(
    node: Leaf | ThresholdSplit | CategorySplit, ids: dict[str, npt.NDArray[np.int32]], sizes: dict[str, int]
) -> npt.NDArray[np.float64] | float:
    # Both sides of a split are evaluated for all rows: at depth 5 that is 31 passes over contiguous columns, several
    # times faster than walking each row down its own path by index.
    if isinstance(node, Leaf):
        return node.prediction
    if isinstance(node, ThresholdSplit):
        goes_left = ids[node.feature] <= math.floor(node.threshold)
    else:
        is_left = np.zeros(sizes[node.feature] + 1, dtype=bool)
        is_left[list(node.left_ids)] = True
        goes_left = is_left[ids[node.feature]]
    return np.where(goes_left, _values(node.left, ids, sizes), _values(node.right, ids, sizes))
