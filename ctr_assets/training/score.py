"""Click probabilities from a committed model for any encoded rows, also of days after the model's own."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.prefetch import prefetched
from ctr_assets.training.card import model_of_card
from ctr_assets.training.config import Device
from ctr_assets.training.distributed import choose_device
from ctr_assets.training.frozen import FrozenWideDeep
from ctr_assets.training.model import WideDeep
from ctr_assets.training.publish import CARD_NAME, read_card, read_weights
from ctr_assets.training.rowgroups import to_matrix

BATCH_ROWS = 4_096
BATCHES_AHEAD = 2


class Scorer:
    """A model ready to predict. ``card`` is its model card."""

    @torch.no_grad()
    def __init__(self, model: WideDeep, card: dict[str, Any], device: torch.device) -> None:
        self.model, self.card, self.frozen = model, card, FrozenWideDeep(model, device)

    @classmethod
    def load(cls, store: Store, manifest: Manifest, device: Device = "auto") -> "Scorer":
        """Read the model that a manifest of ``wide_deep_model`` names."""
        card, weights = read_card(store, manifest), read_weights(store, manifest)
        # TypeError and RuntimeError: a card of another shape, and weights that do not fit the model it describes.
        with store.reading(manifest, store.file(manifest, CARD_NAME), TypeError, RuntimeError):
            model = model_of_card(card)
            model.load_state_dict(weights, assign=True)
        return cls(model, card, choose_device(device))

    @torch.no_grad()
    def predict(self, table: pa.Table) -> npt.NDArray[np.float32]:
        """Probability of a click for each row of a table with the columns of ``ENCODED_SCHEMA``; shape ``(n,)``.

        Computed in fp32, in batches. Ids beyond the model's vocabulary read as unknown.
        """
        starts = range(0, table.num_rows, BATCH_ROWS)
        features = self.model.layout.features
        batches = (self.frozen.find(to_matrix(table.slice(start, BATCH_ROWS), features)) for start in starts)
        probabilities = np.empty(table.num_rows, dtype=np.float32)
        for start, found in zip(starts, prefetched(batches, BATCHES_AHEAD), strict=True):
            probabilities[start : start + BATCH_ROWS] = self.frozen(found).cpu().numpy()
        return probabilities
