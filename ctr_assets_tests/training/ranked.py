"""What runs as one rank in the tests of distributed training; each rank tells what it saw in ``OUT/<rank>.json``.

Under ``torchrun``: ``-m ctr_assets_tests.training.ranked URL CONFIG_JSON OUT``.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ctr_assets.jobs.__main__ as jobs
from ctr_assets.training import batches, device_rows
from ctr_assets.training.loader import Loader
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.training.conftest import DAYS


def train_as_rank(url: str, config_json: str, out: str, window: list[str], dies_in_epoch: int = 0) -> None:
    """Run the job as this rank; record the weights after each epoch, and the error if one was raised."""
    rank, seen = int(os.environ["RANK"]), list[str]()
    train_epoch = Trainer.train_epoch

    def recorded(self: Trainer, loader: Loader, epoch: int) -> float:
        if epoch == dies_in_epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        loss = train_epoch(self, loader, epoch)
        digest = hashlib.sha256()
        for _, tensor in sorted(self.model.state_dict().items()):
            digest.update(tensor.numpy().tobytes())
        seen.append(digest.hexdigest())
        return loss

    Trainer.train_epoch = recorded  # type: ignore[method-assign]
    params = {"store_url": url, "day": window[-1], "window": window, "training": json.loads(config_json)}
    error = ""
    try:
        jobs.main(["wide_deep_model", "--params", json.dumps(params)])
    except Exception as e:
        error = f"{type(e).__name__}: {e}"
        raise
    finally:
        Path(out, f"{rank}.json").write_text(json.dumps({"weights": seen, "error": error}))


def train_as_rank_of_many(
    rank: int, ranks: int, port: int, url: str, config_json: str, out: str, window: list[str], dies_in_epoch: int
) -> None:
    """The same in the environment that a PyTorchJob gives: nobody ends this rank when another dies."""
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    train_as_rank(url, config_json, out, window, dies_in_epoch)


def train_as_rank_of_many_devices(*arguments: Any) -> None:
    """The same in the way of a GPU that holds all rows."""
    batches.LOOK_UP_DEVICES = frozenset({"cpu"})  # type: ignore[misc]
    device_rows.free_bytes = lambda device: 10**9
    train_as_rank_of_many(*arguments)


if __name__ == "__main__":
    _, store_url, config, folder = sys.argv
    train_as_rank(store_url, config, folder, DAYS)
