"""Batches of an epoch, ready for a step: looked up by the host where a CPU trains, by the device where that is another.

This module alone chooses which of the two.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch

from ctr_assets.storage.prefetch import prefetched
from ctr_assets.training.device_lookup import DeviceLookUp
from ctr_assets.training.device_rows import ResidentRows, StreamedRows, fits
from ctr_assets.training.distributed import Ranks
from ctr_assets.training.layout import Layout
from ctr_assets.training.loader import Loader
from ctr_assets.training.lookup import Lookup, look_up

BATCHES_AHEAD: Final = 3
"""Batches prepared before they are asked for."""
LOOK_UP_DEVICES: Final = frozenset({"cuda"})
"""Types of device that find rows themselves."""


@dataclass(frozen=True)
class Batch:
    """A batch on the device: the look-up of each table, and the labels (B,), float32.

    B may be 0: a rank that has no row of a step still exchanges its (zero) gradients with the others.
    """

    lookups: list[Lookup]
    labels: torch.Tensor


class Batches(Protocol):
    """Where batches come from."""

    def epoch(self, loader: Loader, epoch: int) -> Generator[Batch, None, None]:
        """This rank's batches of an epoch, a function of the loader's seed and the epoch."""
        ...

    def order_of(self, loader: Loader) -> str:
        """Which way of shuffling gives the order of a loader's rows: other ways, other weights."""
        ...


def choose_batches(layout: Layout, ranks: Ranks) -> Batches:
    """The batches for the device that trains."""
    return DeviceBatches(layout, ranks) if ranks.device.type in LOOK_UP_DEVICES else HostBatches(layout)


class HostBatches:
    """Numpy finds the rows, in a thread that works ahead of the step."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def epoch(self, loader: Loader, epoch: int) -> Generator[Batch, None, None]:
        with closing(prefetched(self._made(loader, epoch), BATCHES_AHEAD)) as batches:
            yield from batches

    def order_of(self, loader: Loader) -> str:
        return "streamed"

    def _made(self, loader: Loader, epoch: int) -> Generator[Batch, None, None]:
        with closing(loader.epoch(epoch)) as matrices:
            for matrix in matrices:
                lookups = look_up(self.layout, np.ascontiguousarray(matrix[:, :-1]))
                yield Batch(lookups, torch.from_numpy(matrix[:, -1].astype(np.float32)))


class DeviceBatches:
    """Rows lie on the device, or travel there beside the step; the device shuffles, cuts and looks up.

    The host only says what to do and never asks for a result, so it stays ahead of the device.
    """

    def __init__(self, layout: Layout, ranks: Ranks) -> None:
        self.layout, self.ranks = layout, ranks
        self._sources: dict[Loader, ResidentRows | StreamedRows] = {}

    def epoch(self, loader: Loader, epoch: int) -> Generator[Batch, None, None]:
        look = DeviceLookUp(self.layout, loader.most_batch_rows, self.ranks.device)
        with closing(self._source(loader).epoch(epoch)) as batches:
            for rows in batches:
                yield Batch(look(rows[:, :-1]), rows[:, -1].float())

    def order_of(self, loader: Loader) -> str:
        return "resident" if isinstance(self._source(loader), ResidentRows) else "streamed"

    def _source(self, loader: Loader) -> ResidentRows | StreamedRows:
        """Chosen once for a loader, by all ranks alike."""
        if loader not in self._sources:
            is_resident = self.ranks.all(fits(loader, self.ranks.device))
            self._sources[loader] = (ResidentRows if is_resident else StreamedRows)(loader, self.ranks.device)
        return self._sources[loader]
