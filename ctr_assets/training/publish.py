"""Writing a trained model as a version of ``wide_deep_model``, and reading one back.

Three files: the weights, the optimizers' state, which only a training that goes on reads, and the card.
"""

import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ctr_assets.storage import DataFile, Manifest, Store
from ctr_assets.storage.parts import write_file, write_json
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.start import Start
from ctr_assets.training.window import Window

WEIGHTS_NAME = "model.safetensors"
OPTIMIZER_NAME = "optimizer.safetensors"
CARD_NAME = "card.json"
_PROPERTIES = (
    *("format", "code_version", "start", "window", "learnt", "vocabulary_fingerprint", "features", "train_rows"),
    *("config", "metrics"),
)
"""What of the card is in the manifest too, for those who decide without opening a file."""


def publish(
    store: Store,
    start: Start,
    window: Window,
    card: dict[str, Any],
    tensors: dict[str, dict[str, torch.Tensor]],
    created_by: dict[str, str],
    measured: dict[str, Any],
) -> Manifest:
    """Write the files of ``tensors`` and the card under a fresh version and commit it: the last step makes it visible.

    The same tensors give the same bytes; what was ``measured`` (seconds, device) differs from run to run, so it is a
    property of the manifest and not in the card.
    """
    version = store.begin(WIDE_DEEP_MODEL, window.day)
    files = [
        *(_write_tensors(store, version.folder, name, of_file) for name, of_file in tensors.items()),
        write_json(store, version.folder, CARD_NAME, card),
    ]
    weights = tensors[WEIGHTS_NAME]
    return version.commit(
        files,
        {name: f"{tensor.dtype} {list(tensor.shape)}" for name, tensor in sorted(weights.items())},
        inputs=[window.vocabulary, *window.encoded, *([start.previous] if start.previous else [])],
        properties={
            **{key: card[key] for key in _PROPERTIES},
            "nonfinite_weights": sum(int((~torch.isfinite(tensor)).sum()) for tensor in weights.values()),
            **measured,
        },
        created_by=created_by,
    )


def _write_tensors(store: Store, folder: str, name: str, tensors: dict[str, torch.Tensor]) -> DataFile:
    contiguous = {key: tensor.detach().cpu().contiguous() for key, tensor in sorted(tensors.items())}
    # By way of a file: serialising in memory would hold large tables twice.
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / name
        safetensors.torch.save_file(contiguous, path)
        return write_file(store, folder, name, path)


def read_card(store: Store, manifest: Manifest) -> dict[str, Any]:
    """The model card of a committed model."""
    return store.read_json(manifest, CARD_NAME)


def read_weights(store: Store, manifest: Manifest) -> dict[str, torch.Tensor]:
    """The weights of a committed model, on the CPU."""
    return read_tensors(store, manifest, WEIGHTS_NAME)


def read_tensors(store: Store, manifest: Manifest, name: str) -> dict[str, torch.Tensor]:
    """The tensors of one file of a committed model, on the CPU."""
    with store.local_file(manifest, store.file(manifest, name), SafetensorError) as path:
        tensors = safetensors.torch.load_file(path)
        # Tensors of a copy would be views of a file that is gone.
        return tensors if store.is_local else {key: tensor.clone() for key, tensor in tensors.items()}
