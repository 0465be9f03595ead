"""The cost of a training step as a vocabulary grows: ``python -m … SIZE SIZE …``, ids of device_ip.

Every batch touches the same number of distinct ids, so that only the size of the table differs.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np
import torch

from ctr_assets.features import FEATURE_SELECTIONS
from ctr_assets.training.batches import Batch
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.distributed import Ranks
from ctr_assets.training.layout import build_layout
from ctr_assets.training.lookup import look_up
from ctr_assets.training.model import WideDeep
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.training_task import SIZES, column

BATCH_ROWS = 10_000
DISTINCT = 5_000
STEPS = 20
ROUNDS = 3


def batches(sizes: dict[str, int], trainer: Trainer) -> Iterator[Batch]:
    rng = np.random.default_rng(0)
    layout = trainer.model.layout
    for _ in range(STEPS):
        ids = np.stack([column(rng, sizes[name], BATCH_ROWS) for name in layout.features], axis=1)
        place = layout.features.index("device_ip")
        ids[:, place] = rng.permutation(np.resize(rng.integers(1, sizes["device_ip"] + 1, DISTINCT), BATCH_ROWS))
        labels = torch.from_numpy((rng.random(BATCH_ROWS) < 0.17).astype(np.float32))
        yield Batch(look_up(layout, np.ascontiguousarray(ids, dtype=np.int32)), labels)


def main(vocabulary_sizes: list[int]) -> None:
    """Rounds over all sizes in turn, so that a noisy minute touches them alike; the median of each."""
    config = TrainingConfig(hidden=[400, 400, 400], batch_size=BATCH_ROWS)
    prepared = []
    for size in vocabulary_sizes:
        sizes = {**SIZES, "device_ip": size}
        model = WideDeep(build_layout(FEATURE_SELECTIONS["default"], sizes), config.hidden)
        trainer = Trainer(model, config, Ranks(0, 1, torch.device("cpu")))
        trainer.model.train()
        prepared.append((trainer, list(batches(sizes, trainer))))
    seconds: list[list[float]] = [[] for _ in vocabulary_sizes]
    for _ in range(ROUNDS):
        for (trainer, ready), of_size in zip(prepared, seconds, strict=True):
            began = time.perf_counter()
            for batch in ready:
                trainer.step(batch, BATCH_ROWS, config.embedding_learning_rate)
            of_size.append((time.perf_counter() - began) / STEPS)
    steps = {str(size): float(np.median(of_size)) for size, of_size in zip(vocabulary_sizes, seconds, strict=True)}
    tell(seconds=sum(steps.values()), step_seconds=steps)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
