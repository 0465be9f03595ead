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

T = TypeVar("T")

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

    def sum_rows(self, rows: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Union over the ranks of distinct ``rows`` (U,), with the sum of their ``values`` (U, D); the same on each."""
        if self.world_size == 1:
            return rows, values
        count = torch.tensor([len(rows)], device=rows.device)
        counts = [torch.empty_like(count) for _ in range(self.world_size)]
        dist.all_gather(counts, count)
        lengths = [int(n) for n in counts]
        all_rows = self._gather_padded(rows, lengths)
        all_values = self._gather_padded(values, lengths)
        union, inverse = torch.unique(all_rows, return_inverse=True)
        return union, values.new_zeros(len(union), values.shape[1]).index_add_(0, inverse, all_values)

    def _gather_padded(self, tensor: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        padded = tensor.new_zeros(max(lengths), *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        gathered = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(gathered, padded)
        return torch.cat([part[:length] for part, length in zip(gathered, lengths, strict=True)])

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
    """The device of a setting; makes CUDA repeatable before its first use.

    Raises RuntimeError when CUDA is asked for and there is none.
    """
    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("device is set to cuda, but torch sees no CUDA device here: set it to auto or cpu")
    # cuBLAS repeats its results only with a workspace of its own; read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
