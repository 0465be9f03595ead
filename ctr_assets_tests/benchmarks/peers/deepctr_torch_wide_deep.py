"""Wide & Deep on DeepCTR-Torch.

The library's own: the model (WDL) and its initial weights, the loader, ``fit`` and ``predict`` on named arrays, and the
loss (the sum over a batch, where others take the mean: Adam hardly notices). Its regularization, which is on unless
told otherwise, is off here.

Not the library's: the clock, a callback around the epoch, so that the copy of the arrays that ``fit`` makes first is
not counted. Importing the library asks a package registry, in the background, for a newer version: not here.
"""

import sys
import time
from importlib.metadata import version
from types import ModuleType

import torch
from peer_task import Rows, Task, read_task, write_figures


def _without_version_lookup() -> None:
    module = ModuleType("deepctr_torch.utils")
    module.check_version = lambda version: None  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module


_without_version_lookup()

from deepctr_torch.callbacks import Callback  # noqa: E402
from deepctr_torch.inputs import SparseFeat  # noqa: E402
from deepctr_torch.models import WDL  # noqa: E402

EXACT_IN_FLOAT32 = 2**24


class Clock(Callback):
    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.seconds = time.perf_counter() - self.start


def _arrays(task: Task, rows: Rows) -> dict:
    return {name: rows.ids[:, task.column(name)] for name in task.used}


def main() -> None:
    task = read_task(__doc__)
    if max(task.vocabulary.values()) > EXACT_IN_FLOAT32:
        raise SystemExit("DeepCTR-Torch carries ids as float32: ids from 2**24 on would be taken for one another")
    wide = [SparseFeat(name, task.vocabulary[name]) for name in task.wide]
    deep = [SparseFeat(name, task.vocabulary[name], embedding_dim=task.dimension) for name in task.deep]
    off = {"l2_reg_linear": 0, "l2_reg_embedding": 0, "l2_reg_dnn": 0, "dnn_dropout": 0, "dnn_use_bn": False}
    model = WDL(wide, deep, dnn_hidden_units=task.hidden, dnn_activation="relu", seed=task.seed, device="cpu", **off)
    model.compile(torch.optim.Adam(model.parameters(), lr=task.learning_rate), "binary_crossentropy")
    clock, train, test = Clock(), _arrays(task, task.train), _arrays(task, task.test)
    model.fit(train, task.train.label, batch_size=task.batch_rows, epochs=1, verbose=0, shuffle=True, callbacks=[clock])
    probability = model.predict(test, batch_size=task.batch_rows)
    write_figures(f"deepctr-torch {version('deepctr-torch')}", task, clock.seconds, probability)


if __name__ == "__main__":
    main()
