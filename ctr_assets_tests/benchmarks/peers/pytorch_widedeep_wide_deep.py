"""Wide & Deep on pytorch-widedeep.

The library's own: the model (Wide, TabMlp, WideDeep) and its initial weights, and ``Trainer`` with its loader, loop,
loss and ``predict_proba`` on arrays. Its dropout, which is on unless told otherwise, is off here. Its loader fetches
rows one by one in worker processes, one a core unless told otherwise; here there are as many as threads.

Not the library's: the ids in the encoding that it wants, made before the clock starts. Its 0 is padding, which never
learns, so that every id is one higher; and all wide features share one table, so that each begins where the one before
ends. The clock is a callback that starts with the epoch.

Importing the library imports torchvision, whose published wheel is built for the CUDA build of PyTorch: beside a CPU
build its operators do not load, and its import fails. Nothing here calls them, so that declaring their names is enough.
"""

import time
from itertools import accumulate

import numpy as np
import torch
from peer_task import Rows, Task, read_task, write_figures

try:
    import torchvision  # noqa: F401
except RuntimeError:
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from pytorch_widedeep import Trainer, __version__
from pytorch_widedeep.callbacks import Callback
from pytorch_widedeep.models import TabMlp, Wide, WideDeep


class Clock(Callback):
    def on_epoch_begin(self, epoch, logs=None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None, metric=None) -> None:
        self.seconds = time.perf_counter() - self.start


def _arrays(task: Task, rows: Rows) -> dict[str, np.ndarray]:
    firsts = list(accumulate((task.vocabulary[name] for name in task.wide[:-1]), initial=1))
    wide = rows.ids[:, [task.column(name) for name in task.wide]] + np.asarray(firsts, dtype=np.int32)
    deep = rows.ids[:, [task.column(name) for name in task.deep]] + np.int32(1)
    return {"X_wide": np.ascontiguousarray(wide), "X_tab": np.ascontiguousarray(deep)}


def main() -> None:
    task = read_task(__doc__)
    model = WideDeep(
        wide=Wide(input_dim=sum(task.vocabulary[name] for name in task.wide), pred_dim=1),
        deeptabular=TabMlp(
            column_idx={name: i for i, name in enumerate(task.deep)},
            cat_embed_input=[(name, task.vocabulary[name], task.dimension) for name in task.deep],
            cat_embed_dropout=0.0,
            mlp_hidden_dims=task.hidden,
            mlp_activation="relu",
            mlp_dropout=0.0,
        ),
    )
    clock, train, test = Clock(), _arrays(task, task.train), _arrays(task, task.test)
    trainer = Trainer(
        model,
        objective="binary",
        optimizers=torch.optim.Adam(model.parameters(), lr=task.learning_rate),
        callbacks=[clock],
        verbose=0,
        seed=task.seed,
        device="cpu",
        num_workers=task.threads,
    )
    label = task.train.label.astype(np.int64)
    trainer.fit(**train, target=label, n_epochs=1, batch_size=task.batch_rows, shuffle=True)
    probability = trainer.predict_proba(**test, batch_size=task.batch_rows)[:, 1]
    write_figures(f"pytorch-widedeep {__version__}", task, clock.seconds, probability)


if __name__ == "__main__":
    main()
