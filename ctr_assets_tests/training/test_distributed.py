"""Two real processes that exchange gradients over gloo."""

import json
import socket
import subprocess
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from ctr_assets.storage import Store
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets_tests.training.conftest import DAYS
from ctr_assets_tests.training.ranked import train_as_rank_of_two
from ctr_assets_tests.training.test_train import train_on

# Every row in one step: then the gradient of two ranks is that of one process, whichever rank has which rows.
CONFIG = TrainingConfig(hidden=[16], batch_size=10_000, epochs=4, patience=4, wide_dropout=0.0, precision="fp32")
LIMIT_SECONDS = 120
"""Far below the 30 minutes that a rank waits for one that is alive: what takes longer hangs."""


def seen(out: Path, rank: int) -> dict[str, object]:
    content: dict[str, object] = json.loads((out / f"{rank}.json").read_text())
    return content


def run_two(processes: ForkServerContext, store: Store, out: Path, window: list[str], *dies_in_epoch: int) -> list[int]:
    """Exit codes of two ranks without torchrun; ``dies_in_epoch`` is for each rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = (store.url, CONFIG.model_dump_json(), str(out), window)
    ranks = [
        processes.Process(target=train_as_rank_of_two, args=(rank, port, *common, epoch))
        for rank, epoch in enumerate(dies_in_epoch)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(LIMIT_SECONDS)
        if process.exitcode is None:
            process.kill()
            pytest.fail("a rank hangs")
    return [process.exitcode or 0 for process in ranks]


@pytest.mark.parametrize(("precision", "rounding"), [("fp32", 1e-4), ("bf16", 1e-3)], indirect=["precision"])
def test_torchrun_trains_on_two_ranks_the_model_that_one_process_trains(
    store: Store, tmp_path: Path, precision, rounding
) -> None:
    config = CONFIG.model_copy(update={"precision": precision})
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    driver = ["ctr_assets_tests.training.ranked", store.url, config.model_dump_json(), str(tmp_path)]
    finished = subprocess.run(
        [*launcher, *driver], capture_output=True, text=True, check=False, timeout=2 * LIMIT_SECONDS
    )
    assert finished.returncode == 0, finished.stderr
    assert len(set(seen(tmp_path, 0)["weights"])) == 4  # type: ignore[call-overload]
    assert seen(tmp_path, 0)["weights"] == seen(tmp_path, 1)["weights"]
    together = store.manifest(WIDE_DEEP_MODEL, DAYS[-1]).properties["metrics"]
    alone = train_on(store, config).best
    assert together["validation_logloss"] == pytest.approx(alone.validation_logloss, abs=rounding)
    assert together["train_logloss"] == pytest.approx(alone.train_logloss, abs=rounding)
    assert finished.stderr.count("committed 2014-10-23") == 1
    assert finished.stderr.count("epoch 4: train logloss") == 1


def test_when_a_rank_dies_the_other_stops_and_nothing_is_committed(processes, store: Store, tmp_path: Path) -> None:
    survivor, dead = run_two(processes, store, tmp_path, DAYS, 0, 2)
    assert (survivor, dead) == (1, -9)
    assert len(seen(tmp_path, 0)["weights"]) == 1  # type: ignore[arg-type]
    assert store.find(WIDE_DEEP_MODEL, DAYS[-1]) is None


def test_a_failure_on_rank_zero_stops_the_others_and_says_why(processes, store: Store, tmp_path: Path) -> None:
    assert run_two(processes, store, tmp_path, ["2014-10-20", *DAYS], 0, 0) == [1, 1]
    assert str(seen(tmp_path, 0)["error"]).startswith("WindowError: ")
    assert str(seen(tmp_path, 1)["error"]).startswith("RankZeroError: rank 0 failed")
    assert "2014-10-20" in str(seen(tmp_path, 1)["error"])
