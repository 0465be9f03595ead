"""Writing a trained model as a version of ``wide_deep_model`` (safetensors plus card), and reading one back."""

import json
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.parts import describe, write_bytes, write_file
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.window import Window

WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "card.json"


def publish(
    store: Store,
    window: Window,
    card: dict[str, Any],
    weights: dict[str, torch.Tensor],
    created_by: dict[str, str],
    measured: dict[str, Any],
) -> Manifest:
    """Write both files under a fresh version and commit it: the last step makes the model visible, whole.

    The same weights give the same bytes; what was ``measured`` (seconds, device) differs from run to run, so it is a
    property of the manifest and not in the card.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(weights.items())}
    version = store.begin(WIDE_DEEP_MODEL, window.day)
    # By way of a file: serialising in memory would hold large tables twice.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS_NAME
        safetensors.torch.save_file(tensors, path)
        written = write_file(store, version.folder, WEIGHTS_NAME, path)
    with write_bytes(store, version.folder, CARD_NAME) as card_sink:
        card_sink.write(json.dumps(card, indent=1).encode())
    return version.commit(
        [written, describe(CARD_NAME, card_sink)],
        {name: f"{tensor.dtype} {list(tensor.shape)}" for name, tensor in tensors.items()},
        inputs=[window.vocabulary, *window.encoded],
        properties={
            **{key: card[key] for key in ("window", "vocabulary_fingerprint", "train_rows", "config", "metrics")},
            "nonfinite_weights": sum(int((~torch.isfinite(tensor)).sum()) for tensor in tensors.values()),
            **measured,
        },
        created_by=created_by,
    )


def read_card(store: Store, manifest: Manifest) -> dict[str, Any]:
    """The model card of a committed model."""
    file = store.file(manifest, CARD_NAME)
    with store.reading(manifest, file):
        card = json.loads(store.read(manifest, file))
        if not isinstance(card, dict):
            raise ValueError("it is no model card")
    return card


def read_weights(store: Store, manifest: Manifest) -> dict[str, torch.Tensor]:
    """The weights of a committed model, on the CPU."""
    with store.local_file(manifest, store.file(manifest, WEIGHTS_NAME), SafetensorError) as path:
        weights = safetensors.torch.load_file(path)
        # Tensors of a copy would be views of a file that is gone.
        return weights if store.is_local else {name: tensor.clone() for name, tensor in weights.items()}
