"""The ranks of a training: one alone, or several that ``torchrun`` (or a PyTorchJob) started.

Knows how to sum, gather and agree over ranks; knows nothing of the model.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from ctr_assets.training.config import Device
from ctr_assets.training.memory import keep_freed_memory

T = TypeVar("T")
RowsOfTable = tuple[torch.Tensor, torch.Tensor]
"""Rows of a table, (U,), and a value of each, (U, D)."""

TIMEOUT = timedelta(minutes=30)
"""Longest wait for another rank. It covers rank 0 writing a large model; a rank that died is noticed at once."""


class RankZeroError(RuntimeError):
    """Rank 0 failed; this rank stops too."""


@dataclass(frozen=True)
class Ranks:
    """This process among the others. With a world size of 1 every method is the identity."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_zero(self) -> bool:
        return self.rank == 0

    def sum(self, tensors: list[torch.Tensor]) -> None:
        """Replace each tensor by its sum over the ranks: one exchange for all of them."""
        if self.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def all(self, statement: bool) -> bool:
        """Whether a statement is true on every rank."""
        false = torch.tensor(0.0 if statement else 1.0, device=self.device)
        self.sum([false])
        return not bool(false)

    def exchange(
        self, shared: list[torch.Tensor], parts: list[RowsOfTable], *, equal_lengths: bool
    ) -> list[RowsOfTable]:
        """Sum ``shared`` (float32), and gather of each part the rows (U,) and values (U, D) of all ranks, one by one.

        ``equal_lengths``: every rank has as many rows, so that nobody need ask how many. Else the lengths travel with
        what is summed, exact below 2^24. Rows and values travel together, as words of 32 bits.
        """
        own, widths = [len(rows) for rows, _ in parts], [values.shape[1] for _, values in parts]
        lengths = [own] * self.world_size
        if equal_lengths:
            self.sum(shared)
        else:
            of_ranks = torch.zeros(self.world_size, len(parts), device=self.device)
            of_ranks[self.rank] = torch.tensor(own)
            self.sum([*shared, of_ranks])
            lengths = of_ranks.int().tolist()
        words = [[*of_rank, *(n * width for n, width in zip(of_rank, widths, strict=True))] for of_rank in lengths]
        packed = [*(rows for rows, _ in parts), *(values.reshape(-1).view(torch.int32) for _, values in parts)]
        cut = self._gather_cut(torch.cat(packed), words)
        return [
            (torch.cat(of_rows), torch.cat(of_values).view(torch.float32).view(-1, width))
            for of_rows, of_values, width in zip(cut[: len(parts)], cut[len(parts) :], widths, strict=True)
        ]

    def _gather_cut(self, own: torch.Tensor, lengths: list[list[int]]) -> list[list[torch.Tensor]]:
        """Each piece of all ranks; ``own`` holds this rank's, ``lengths[rank][piece]`` says how long they are."""
        padded = own.new_zeros(max(map(sum, lengths)))
        padded[: len(own)] = own
        of_ranks = self._gather(padded).split(len(padded))
        cut = [of_rank[: sum(n)].split(n) for of_rank, n in zip(of_ranks, lengths, strict=True)]
        return [list(piece) for piece in zip(*cut, strict=True)]

    def _gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensors of all ranks, of one shape, one after the other."""
        gathered = tensor.new_empty(self.world_size * len(tensor), *tensor.shape[1:])
        dist.all_gather_into_tensor(gathered, tensor)
        return gathered

    def from_rank_zero(self, work: Callable[[], T]) -> T:
        """Do ``work`` on rank 0 alone; its result, or its failure, reaches every rank.

        Raises what the work raised on rank 0, and :class:`RankZeroError` on the others.
        """
        if self.world_size == 1:
            return work()
        outcome: list[object] = [None, None]
        failure: Exception | None = None
        if self.is_zero:
            try:
                outcome[0] = work()
            except Exception as e:
                failure, outcome[1] = e, f"{type(e).__name__}: {e}"
        dist.broadcast_object_list(outcome, src=0)
        if failure is not None:
            raise failure
        if outcome[1] is not None:
            raise RankZeroError(f"rank 0 failed, so rank {self.rank} stops: {outcome[1]}")
        return outcome[0]  # type: ignore[return-value]


@contextmanager
def joined_ranks(device: Device) -> Iterator[Ranks]:
    """Join the other ranks, if the environment of ``torchrun`` names any, for the length of the context."""
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if world_size == 1:
        yield Ranks(0, 1, chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Ranks(rank, world_size, chosen)
    finally:
        dist.destroy_process_group()


def choose_device(setting: Device, local_rank: int = 0) -> torch.device:
    """The device of a setting; makes CUDA repeatable before its first use, and a CPU keep memory for its next step.

    Raises RuntimeError when CUDA is asked for and there is none.
    """
    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        keep_freed_memory()
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("device is set to cuda, but torch sees no CUDA device here: set it to auto or cpu")
    # Memory that nobody has written to is not read here, so it need not be filled.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # cuBLAS repeats its results only with a workspace of its own; read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
