"""Checkpoints of a training: one file an epoch, readable only when whole, on a local disk or in object storage."""

import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any

import torch

from ctr_assets.storage import Store
from ctr_assets.tables import CHECKPOINTS

_NAME = re.compile(r"epoch-(\d{4})\.pt$")


class Checkpoints:
    """The checkpoints of one training, kept under the fingerprint of its inputs, configuration and code.

    A re-run with the same fingerprint finds them; one that differs in anything starts afresh.
    """

    def __init__(self, store: Store, table: str, partition: str, fingerprint: str) -> None:
        self.store = store
        self._parts = (CHECKPOINTS, table, partition, fingerprint)
        self.folder = store.path(*self._parts)

    def epochs(self) -> list[int]:
        """Epochs with a whole checkpoint, ascending."""
        fs = self.store.fs
        fs.invalidate_cache()
        names = fs.ls(self.folder, detail=False) if fs.exists(self.folder) else []
        return sorted(int(match[1]) for match in map(_NAME.search, names) if match)

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write under another name first: a kill, or a full disk, leaves a file that nobody reads."""
        fs, path = self.store.fs, self._path(epoch)
        if self.store.is_local:
            fs.makedirs(self.folder, exist_ok=True)
            temporary = f"{path}.{secrets.token_hex(4)}.tmp"
            torch.save(state, temporary)
            os.replace(temporary, path)
            return
        # An object appears when its upload is complete, and not before.
        with tempfile.TemporaryDirectory() as folder:
            torch.save(state, Path(folder) / "state.pt")
            fs.put_file(str(Path(folder) / "state.pt"), path)

    def load(self, epoch: int, device: torch.device) -> dict[str, Any]:
        with self.store.fs.open(self._path(epoch), "rb") as file:
            state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        return state

    def keep_only(self, epochs: set[int]) -> None:
        """Delete the checkpoints of all other epochs."""
        for epoch in set(self.epochs()) - epochs:
            self.store.fs.rm(self._path(epoch))

    def remove(self) -> None:
        """Delete all of them, and what killed writers left beside them."""
        self.store.remove_tree(*self._parts)

    def _path(self, epoch: int) -> str:
        return f"{self.folder}/epoch-{epoch:04d}.pt"
