"""The logistic baseline as a small file of weights, and its scoring in numpy: scikit-learn is not needed to predict."""

from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import safetensors.numpy
from safetensors import SafetensorError

from ctr_assets.baselines.publish import read_card
from ctr_assets.features import UNKNOWN_ID
from ctr_assets.storage import Manifest, Store

WEIGHTS_NAME: Final = "weights.safetensors"
_INTERCEPT: Final = "(intercept)"
"""Among the tensors; no feature has such a name."""

Weights = dict[str, npt.NDArray[np.float32]]
"""Feature -> weight of each id, shape ``(size + 1,)``; ids beyond are 0, unknown."""


def to_bytes(weights: Weights, intercept: float) -> bytes:
    """The content of the file: equal weights, equal bytes."""
    content: bytes = safetensors.numpy.save({**weights, _INTERCEPT: np.array([intercept], dtype=np.float32)})
    return content


class LogisticScorer:
    """Predicts click probabilities of encoded rows."""

    def __init__(self, weights: Weights, intercept: float, card: dict[str, Any]) -> None:
        self.weights, self.intercept = weights, intercept
        self.card = card
        """``model_card.json``: how the model was trained."""

    @classmethod
    def load(cls, store: Store, manifest: Manifest) -> Self:
        """Read the files of a ``logistic_baseline`` version."""
        file = store.file(manifest, WEIGHTS_NAME)
        with store.reading(manifest, file, SafetensorError):
            weights: Weights = safetensors.numpy.load(store.read(manifest, file))
            (intercept,) = weights.pop(_INTERCEPT)
            if flawed := [name for name, of_ids in weights.items() if of_ids.ndim != 1 or not of_ids.size]:
                raise ValueError(f"it does not hold a weight an id for {', '.join(flawed)}")
        return cls(weights, float(intercept), read_card(store, manifest))

    @property
    def columns(self) -> list[str]:
        """The columns of ``encoded_features`` that the model reads."""
        return list(self.weights)

    def predict(self, table: pa.Table) -> npt.NDArray[np.float32]:
        """Click probability of each row, shape ``(n,)``; ``table`` holds at least :attr:`columns`."""
        logit = np.full(table.num_rows, self.intercept)
        for name, of_ids in self.weights.items():
            ids = table.column(name).to_numpy()
            logit += of_ids[np.where(ids < len(of_ids), ids, UNKNOWN_ID)]
        return (1 / (1 + np.exp(-logit))).astype(np.float32)
