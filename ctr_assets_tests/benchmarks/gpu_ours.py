"""Our training on one GPU, from the encoded days of a store: ``python -m … STORE --config JSON``.

Told are the rows a second of an epoch after the first, of loading and looking up alone, and the share of the time in
which the device computed.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ctr_assets.features import FEATURE_SELECTIONS
from ctr_assets.storage import Store
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.distributed import Ranks, choose_device
from ctr_assets.training.layout import build_layout
from ctr_assets.training.model import WideDeep
from ctr_assets.training.splits import open_training_rows
from ctr_assets.training.trainer import Trainer
from ctr_assets.training.window import resolve_window
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.training_task import DAY

PROFILED_STEPS = 30


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Wall seconds until the device has done all of it."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def busy_share(work: Callable[[], object], device: torch.device) -> float | None:
    """Share of the time in which at least one kernel or copy ran; None of a device that tells nothing."""
    if device.type != "cuda":
        return None
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        seconds = seconds_of(work, device)
    kernels = [event.time_range for event in profiled.events() if event.device_type.name == "CUDA"]
    return length_of_union((kernel.start, kernel.end) for kernel in kernels) * 1e-6 / seconds


def length_of_union(spans: Iterable[tuple[float, float]]) -> float:
    """What the spans cover together."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--config", type=json.loads, default={}, help="of the training, as JSON")
    options = parser.parse_args()
    store, config = Store(str(options.store)), TrainingConfig(**options.config)
    ranks = Ranks(0, 1, choose_device(config.device))
    window = resolve_window(store, DAY, [DAY])
    layout = build_layout(FEATURE_SELECTIONS[config.preset], window.vocabulary_sizes)
    loader = open_training_rows(store, window, [*layout.features, "label"], config, ranks)
    trainer = Trainer(WideDeep(layout, config.hidden, wide_dropout=config.wide_dropout), config, ranks)
    trainer.train_epoch(loader, 1)  # reads the rows, and warms up

    def load() -> None:
        with closing(trainer.batches.epoch(loader, 3)) as batches:
            for _ in batches:
                pass

    def steps() -> None:
        with closing(trainer.batches.epoch(loader, 4)) as batches:
            for step, batch in enumerate(islice(batches, PROFILED_STEPS)):
                trainer.step(batch, loader.global_batch_rows(step))

    seconds = seconds_of(lambda: trainer.train_epoch(loader, 2), ranks.device)
    tell(
        rows=loader.total_rows,
        seconds=seconds,
        rows_per_second=loader.total_rows / seconds,
        loading_rows_per_second=loader.total_rows / seconds_of(load, ranks.device),
        busy=busy_share(steps, ranks.device),
        order=trainer.batches.order_of(loader),
        precision=str(trainer.precision).removeprefix("torch."),
    )


if __name__ == "__main__":
    main()
