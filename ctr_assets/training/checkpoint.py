"""Checkpoints of a training: one file an epoch, readable only when whole, on a local disk or in object storage.

Two trainings of the same inputs and settings share them, since they make the same ones. Whoever comes later to an epoch
writes over it. Nobody deletes what another may still need. The first to commit its model deletes them all.
"""

import os
import pickle
import re
import secrets
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ctr_assets.storage import Store
from ctr_assets.storage.damage import SET_ASIDE, reading, set_aside
from ctr_assets.storage.objects import on_disk
from ctr_assets.tables import CHECKPOINTS

_NAME = re.compile(r"epoch-(\d{4})\.pt$")
TODO = "run the training again"
_SAVES = 5
"""Attempts to save one. Another training that has just committed deletes the folder meanwhile; mostly none does."""


class Checkpoints:
    """The checkpoints of one training, kept under the fingerprint of its inputs, configuration and code.

    A re-run with the same fingerprint finds them; one that differs in anything starts afresh.
    """

    def __init__(self, store: Store, table: str, partition: str, fingerprint: str) -> None:
        self.store = store
        self._parts = (CHECKPOINTS, table, partition, fingerprint)
        self.folder = store.path(*self._parts)

    def epochs(self) -> list[int]:
        """Epochs with a checkpoint, ascending."""
        return sorted(int(match[1]) for match in map(_NAME.search, self._names()) if match)

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write under another name first: a kill, or a full disk, leaves a file that nobody reads."""
        fs, path = self.store.fs, self._path(epoch)
        if not self.store.is_local:
            # An object appears when its upload is complete, and not before.
            with tempfile.TemporaryDirectory() as folder:
                torch.save(state, Path(folder) / "state.pt")
                fs.put_file(str(Path(folder) / "state.pt"), path)
            return
        for attempt in range(1, _SAVES + 1):
            temporary = f"{path}.{secrets.token_hex(4)}.tmp"
            fs.makedirs(self.folder, exist_ok=True)
            try:
                with open(temporary, "wb") as file:
                    torch.save(state, file)
                os.replace(temporary, path)
                return
            except FileNotFoundError:
                if attempt == _SAVES:
                    raise

    def load(self, epoch: int) -> dict[str, Any]:
        """The state that was saved after an epoch, on the CPU.

        Raises :class:`~ctr_assets.storage.UnreadableError` when it is gone, cut off or not as it was written: torch
        itself reads flipped bits as weights, the checksums of the archive tell.
        """
        name = f"{'/'.join(self._parts)}/{_name(epoch)} under {self.store.url}"
        with reading(name, TODO, zipfile.BadZipFile), on_disk(self.store.fs, self._path(epoch)) as path:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"the checksum of its {damaged} is wrong")
            # What torch says of an archive that is whole and holds no state of a training.
            with reading(name, TODO, RuntimeError, TypeError, pickle.UnpicklingError):
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                if len(state["curve"]) != epoch or not state["trainer"]["model"]:
                    raise ValueError(f"it is not the state after epoch {epoch}")
        return state

    def set_aside(self, epoch: int) -> bool:
        """Keep a damaged checkpoint for inspection under a name that is no checkpoint's; False when it is gone."""
        with suppress(FileNotFoundError):
            set_aside(self.store.fs, self._path(epoch))
            return True
        return False

    def keep_only(self, newest: int, best: int) -> None:
        """Delete the checkpoints before ``newest`` but ``best``; later ones are another training's, which is ahead."""
        for epoch in self.epochs():
            if epoch < newest and epoch != best:
                self._remove(self._path(epoch))

    def remove(self) -> None:
        """Delete all of them, and what killed writers left beside them; not what was set aside."""
        for name in self._names():
            if not name.endswith(SET_ASIDE):
                self._remove(name)
        if self.store.is_local:
            with suppress(OSError):  # not empty: of what was set aside, or of another training of the same
                os.rmdir(self.folder)

    def _names(self) -> list[str]:
        self.store.fs.invalidate_cache()
        try:
            names: list[str] = self.store.fs.ls(self.folder, detail=False)
        except FileNotFoundError:
            return []
        return names

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):  # another training of the same was faster
            self.store.fs.rm_file(path)

    def _path(self, epoch: int) -> str:
        return f"{self.folder}/{_name(epoch)}"


def _name(epoch: int) -> str:
    return f"epoch-{epoch:04d}.pt"
