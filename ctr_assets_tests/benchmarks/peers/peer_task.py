"""What the three peers share and no library owns: the command line, the task's arrays, the line of figures."""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import log_loss, roc_auc_score


@dataclass(frozen=True)
class Rows:
    """Rows of one part of the task: ``ids`` int32 (rows, features) and ``label`` int8 (rows,)."""

    ids: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Task:
    """One model to train, as the task folder and the command line say it."""

    train: Rows
    test: Rows
    features: list[str]
    wide: list[str]
    deep: list[str]
    vocabulary: dict[str, int]
    """Number of different ids of each feature: they run from 0 to this less one."""
    dimension: int
    hidden: list[int]
    learning_rate: float
    batch_rows: int
    seed: int
    threads: int
    gpu: int
    """Number of the GPU; -1 for the CPU."""

    @property
    def used(self) -> list[str]:
        """Every feature that a part of the model reads, once, in the order of the columns."""
        return [name for name in self.features if name in self.wide or name in self.deep]

    def column(self, name: str) -> int:
        """Position of the feature in ``ids``."""
        return self.features.index(name)


def read_task(description: str | None) -> Task:
    """Reads the command line and the task folder; gives PyTorch its threads and its seed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds task.json, train.npz and test.npz")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-rows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gpu", type=int, default=-1, help="number of the GPU (FuxiCTR alone); -1 for the CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    settings = json.loads((options.folder / "task.json").read_text())
    return Task(
        train=_read_rows(options.folder / "train.npz"),
        test=_read_rows(options.folder / "test.npz"),
        features=settings["features"],
        wide=settings["wide"],
        deep=settings["deep"],
        vocabulary={name: size + 1 for name, size in zip(settings["features"], settings["sizes"], strict=True)},
        dimension=settings["dimension"],
        hidden=settings["hidden"],
        learning_rate=settings["learning_rate"],
        batch_rows=options.batch_rows,
        seed=options.seed,
        threads=options.threads,
        gpu=options.gpu,
    )


def _read_rows(path: Path) -> Rows:
    with np.load(path) as arrays:
        return Rows(arrays["ids"], arrays["label"])


def write_figures(library: str, task: Task, seconds: float, probability: np.ndarray) -> None:
    """Writes the last line: the epoch's seconds, and what ``probability``, one of each test row, is worth."""
    rows = len(task.train.label)
    label, probability = task.test.label, np.asarray(probability, dtype=np.float64).reshape(-1)
    figures = {
        "library": library,
        "rows": rows,
        "seconds": round(seconds, 4),
        "rows_per_second": round(rows / seconds, 1),
        "test_logloss": float(log_loss(label, probability, labels=[0, 1])),
        "test_auc": float(roc_auc_score(label, probability)),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
