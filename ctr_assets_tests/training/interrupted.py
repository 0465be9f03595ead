"""What runs in the processes of the tests that kill: a training that ends itself with SIGKILL at a stated point."""

import os
import signal
from collections.abc import Callable
from typing import Any

from ctr_assets.storage import Store, store
from ctr_assets.storage.objects import replace_object
from ctr_assets.training.checkpoint import Checkpoints
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.train import train
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.training.conftest import DAYS


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_call(number: int, function: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
    """``function``, which kills the process at (or right after) its call of that number."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            die()
        result = function(*args, **kwargs)
        if calls == number:
            die()
        return result

    return wrapped


def arrange(point: str) -> None:
    match point:
        case "in the middle of the day":
            Trainer.step = die_at_call(2, Trainer.step)  # type: ignore[method-assign]
        case "in the middle of the second epoch":
            Trainer.step = die_at_call(9, Trainer.step)  # type: ignore[method-assign]
        case "before a checkpoint gets its name":
            os.replace = die_at_call(2, os.replace)
        case "after the first checkpoint":
            Checkpoints.save = die_at_call(1, Checkpoints.save, after=True)  # type: ignore[method-assign]
        case "between the files and the manifest":
            store.replace_object = die_at_call(1, replace_object)  # type: ignore[attr-defined]
        case "after the commit":
            Checkpoints.remove = die_at_call(1, Checkpoints.remove)  # type: ignore[method-assign]
        case _:
            raise ValueError(point)


def train_until_killed(url: str, config: TrainingConfig, point: str, days: list[str] = DAYS) -> None:
    """Train, and die at the point."""
    arrange(point)
    train(Store(url), days[-1], days, config, log=lambda message: None)
