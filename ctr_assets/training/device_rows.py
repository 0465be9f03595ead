"""The rows of a loader as batches on a device: kept there where they fit, else copied there beside the step."""

from collections.abc import Generator
from contextlib import closing
from typing import Final

import numpy as np
import torch

from ctr_assets.storage.prefetch import prefetched
from ctr_assets.training.loader import Loader
from ctr_assets.training.rowgroups import Matrix

RESIDENT_SHARE: Final = 0.5
"""Most of the device's free memory that the rows may take; the rest is for a step's activations and look-ups."""
_ORDER_BYTES: Final = 32
"""Of each row, for a permutation: what is sorted and its result, 64-bit numbers each."""


def fits(loader: Loader, device: torch.device) -> bool:
    """Whether this rank's rows may stay on the device."""
    wanted = loader.own_rows * (4 * len(loader.columns) + (_ORDER_BYTES if loader.shuffle else 0))
    return wanted <= RESIDENT_SHARE * free_bytes(device)


def free_bytes(device: torch.device) -> int:
    """Memory of a device that nobody uses: that of CUDA, and none of a device that says nothing about it."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


class ResidentRows:
    """A rank's rows on the device, int32, shape (rows, columns): read once, shuffled there as a whole each epoch.

    Each rank keeps its share of the row groups in the order of the window, so a step mixes all of them.
    """

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self.loader = loader
        self.rows = torch.empty((loader.own_rows, len(loader.columns)), dtype=torch.int32, device=device)
        held = 0
        with closing(loader.pieces(loader.groups)) as pieces:
            for piece in pieces:
                self.rows[held : held + len(piece)] = torch.from_numpy(piece)
                held += len(piece)

    def epoch(self, epoch: int) -> Generator[torch.Tensor, None, None]:
        """The batches of an epoch, each of shape ``(rows, columns)``; a function of seed, epoch and rank."""
        loader, device = self.loader, self.rows.device
        order = None
        if loader.shuffle:
            state = np.random.SeedSequence([loader.seed, epoch, 1 + loader.rank]).generate_state(1)
            generator = torch.Generator(device).manual_seed(int(state[0]))
            order = torch.randperm(len(self.rows), generator=generator, device=device)
        used = 0
        for step in range(loader.steps):
            end = used + loader.batch_rows(step, loader.rank)
            yield self.rows[used:end] if order is None else self.rows.index_select(0, order[used:end])
            used = end


class StreamedRows:
    """Rows shuffled on the host in bounded memory, copied to the device while it computes the steps before."""

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self.loader, self.device = loader, device

    def epoch(self, epoch: int) -> Generator[torch.Tensor, None, None]:
        """The batches of an epoch, each of shape ``(rows, columns)``: those of the loader."""
        if self.device.type != "cuda":
            with closing(prefetched(self.loader.epoch(epoch), 1)) as matrices:
                yield from (torch.from_numpy(matrix).to(self.device) for matrix in matrices)
            return
        with closing(prefetched(self._copied(epoch), 1)) as copies:
            for rows, copied in copies:
                stream = torch.cuda.current_stream(self.device)
                stream.wait_event(copied)
                rows.record_stream(stream)  # or the copying stream would reuse its memory while the step reads it
                yield rows

    def _copied(self, epoch: int) -> Generator[tuple[torch.Tensor, torch.cuda.Event], None, None]:
        copier = _Copier(self.device, self.loader.most_batch_rows, len(self.loader.columns))
        with closing(self.loader.epoch(epoch)) as matrices:
            yield from map(copier.copy, matrices)


class _Copier:
    """Copies by a stream of its own from two pinned buffers in turn: one is filled while the other travels."""

    def __init__(self, device: torch.device, rows: int, columns: int) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)
        self.buffers = [torch.empty((rows, columns), dtype=torch.int32, pin_memory=True) for _ in range(2)]
        self.copied = [torch.cuda.Event() for _ in range(2)]
        self.turn = 0

    def copy(self, matrix: Matrix) -> tuple[torch.Tensor, torch.cuda.Event]:
        """The rows on the device once the event has come. Waits only for the copy of two batches before."""
        turn, self.turn = self.turn, 1 - self.turn
        self.copied[turn].synchronize()
        buffer = self.buffers[turn][: len(matrix)]
        buffer.copy_(torch.from_numpy(matrix))
        with torch.cuda.stream(self.stream):
            rows = buffer.to(self.device, non_blocking=True)
            self.copied[turn].record(self.stream)
        return rows, self.copied[turn]
