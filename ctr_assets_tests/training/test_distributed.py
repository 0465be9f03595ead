"""Real processes that exchange gradients over gloo."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow.compute as pc
import pytest
from sklearn.metrics import log_loss

from ctr_assets.features import Split
from ctr_assets.storage import ParquetPart, Store
from ctr_assets.tables import ENCODED_FEATURES, ENCODED_SCHEMA, WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.score import Scorer
from ctr_assets_tests.damaging import damage_file
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.training.conftest import DAYS
from ctr_assets_tests.training.ranked import train_as_rank_of_many, train_as_rank_of_many_devices
from ctr_assets_tests.training.test_train import train_on

pytestmark = pytest.mark.long

# Every row in one step: then the gradient of two ranks is that of one process, whichever rank has which rows.
CONFIG = TrainingConfig(hidden=[16], batch_size=10_000, epochs=4, patience=4, wide_dropout=0.0, precision="fp32")
LIMIT_SECONDS = 120
"""Far below the 30 minutes that a rank waits for one that is alive: what takes longer hangs."""


def seen(out: Path, rank: int) -> dict[str, object]:
    content: dict[str, object] = json.loads((out / f"{rank}.json").read_text())
    return content


def run_ranks(
    processes: ForkServerContext,
    store: Store,
    out: Path,
    window: list[str],
    *dies_in_epoch: int,
    config: TrainingConfig = CONFIG,
    target: Callable[..., None] = train_as_rank_of_many,
) -> list[int]:
    """Exit codes of ranks without torchrun; ``dies_in_epoch`` is for each of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = (len(dies_in_epoch), port, store.url, config.model_dump_json(), str(out), window)
    ranks = [processes.Process(target=target, args=(rank, *common, epoch)) for rank, epoch in enumerate(dies_in_epoch)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(LIMIT_SECONDS)
        if process.exitcode is None:
            process.kill()
            pytest.fail("a rank hangs")
    return [process.exitcode or 0 for process in ranks]


def assert_is_the_model_of_one_process(store: Store, out: Path, config: TrainingConfig, rounding: float) -> None:
    assert len(set(seen(out, 0)["weights"])) == 4  # type: ignore[call-overload]
    assert seen(out, 0)["weights"] == seen(out, 1)["weights"]
    together = store.manifest(WIDE_DEEP_MODEL, DAYS[-1]).properties["metrics"]
    alone = train_on(store, config).best
    assert together["validation_logloss"] == pytest.approx(alone.validation_logloss, abs=rounding)
    assert together["train_logloss"] == pytest.approx(alone.train_logloss, abs=rounding)


def test_torchrun_trains_on_two_ranks_the_model_that_one_process_trains(store: Store, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    driver = ["ctr_assets_tests.training.ranked", store.url, CONFIG.model_dump_json(), str(tmp_path)]
    finished = subprocess.run(
        [*launcher, *driver], capture_output=True, text=True, check=False, timeout=2 * LIMIT_SECONDS
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("committed 2014-10-23") == 1
    assert finished.stderr.count("epoch 4: train logloss") == 1
    assert_is_the_model_of_one_process(store, tmp_path, CONFIG, rounding=1e-4)


def test_two_ranks_train_in_bf16_the_model_that_one_process_trains(processes, store: Store, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"precision": "bf16"})
    assert run_ranks(processes, store, tmp_path, DAYS, 0, 0, config=config) == [0, 0]
    assert_is_the_model_of_one_process(store, tmp_path, config, rounding=1e-3)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_two_devices_train_the_model_that_one_process_trains(
    processes, store: Store, tmp_path: Path, optimizer
) -> None:
    config = CONFIG.model_copy(update={"embedding_optimizer": optimizer})
    target = train_as_rank_of_many_devices
    assert run_ranks(processes, store, tmp_path, DAYS, 0, 0, config=config, target=target) == [0, 0]
    assert_is_the_model_of_one_process(store, tmp_path, config, rounding=1e-4)


def test_when_a_rank_dies_the_other_stops_and_nothing_is_committed(processes, store: Store, tmp_path: Path) -> None:
    survivor, dead = run_ranks(processes, store, tmp_path, DAYS, 0, 2)
    assert (survivor, dead) == (1, -9)
    assert len(seen(tmp_path, 0)["weights"]) == 1  # type: ignore[arg-type]
    assert store.find(WIDE_DEEP_MODEL, DAYS[-1]) is None


def test_a_failure_on_rank_zero_stops_the_others_and_says_why(processes, store: Store, tmp_path: Path) -> None:
    assert run_ranks(processes, store, tmp_path, ["2014-10-20", *DAYS], 0, 0) == [1, 1]
    assert str(seen(tmp_path, 0)["error"]).startswith("WindowError: ")
    assert str(seen(tmp_path, 1)["error"]).startswith("RankZeroError: rank 0 failed")
    assert "2014-10-20" in str(seen(tmp_path, 1)["error"])


def write_day(store: Store, train: int, validation: int, seed: int = 0) -> None:
    """One encoded day of exactly so many training and validation rows, cut from a larger one."""
    write_days(store, DAYS[-1:], rows_per_day=2000, files_per_day=1, seed=seed)
    old = store.manifest(ENCODED_FEATURES, DAYS[-1])
    with store.parquet(old, old.files[0]) as parquet:
        rows = parquet.read()
    version = store.begin(ENCODED_FEATURES, DAYS[-1])
    part = ParquetPart(store, version.folder, "part-00000.parquet", ENCODED_SCHEMA)
    for split, count in ((Split.TRAIN, train), (Split.VALIDATION, validation)):
        part.write(rows.filter(pc.equal(rows["split"], split.code)).slice(0, count).cast(ENCODED_SCHEMA))
    inputs = [store.manifest(*reference.split("/")) for reference in old.inputs]
    version.commit([part.close()], old.columns, inputs=inputs, properties=old.properties)


@pytest.mark.parametrize(
    ("rows", "validation", "ranks", "batch_size"),
    [
        (31, 5, 2, 1),  # the first rank has 15 rows for 16 steps
        (31, 5, 3, 1),
        (7, 1, 3, 2),  # two ranks have no validation row
        (3, 2, 3, 1),  # a row each
        (2, 3, 3, 1),  # a rank has no row at all
        (1, 1, 2, 64),
    ],
)
def test_a_rank_that_has_no_row_of_a_step_goes_along(
    processes, tmp_path: Path, rows: int, validation: int, ranks: int, batch_size: int
) -> None:
    store = Store(str(tmp_path / "store"))
    write_day(store, rows, validation)
    config = CONFIG.model_copy(update={"batch_size": batch_size, "epochs": 3, "patience": 3})
    assert run_ranks(processes, store, tmp_path, DAYS[-1:], *[0] * ranks, config=config) == [0] * ranks
    weights = [seen(tmp_path, rank)["weights"] for rank in range(ranks)]
    assert len(set(weights[0])) == 3  # type: ignore[call-overload]
    assert all(of_rank == weights[0] for of_rank in weights)
    manifest = store.manifest(WIDE_DEEP_MODEL, DAYS[-1])
    assert manifest.properties["nonfinite_weights"] == 0
    assert manifest.properties["train_rows"] == rows
    scored = Scorer.load(store, manifest)
    with store.parquet(encoded := store.manifest(ENCODED_FEATURES, DAYS[-1]), encoded.files[0]) as parquet:
        table = parquet.read()
    table = table.filter(pc.equal(table["split"], Split.VALIDATION.code))
    expected = log_loss(table["label"].to_numpy(), scored.predict(table).astype(float), labels=[0, 1])
    assert manifest.properties["metrics"]["validation_logloss"] == pytest.approx(expected, abs=1e-5)


def test_the_loss_of_few_rows_on_many_ranks_is_the_mean_over_all_of_them(processes, tmp_path: Path) -> None:
    """One step an epoch: its loss is that of the initial weights, the same however the rows are shared."""
    losses = []
    for ranks in (1, 2, 3):
        store, out = Store(str(tmp_path / f"store-{ranks}")), tmp_path / str(ranks)
        out.mkdir()
        write_day(store, 2, 2)
        config = CONFIG.model_copy(update={"epochs": 2, "patience": 2})
        assert run_ranks(processes, store, out, DAYS[-1:], *[0] * ranks, config=config) == [0] * ranks
        metrics = store.manifest(WIDE_DEEP_MODEL, DAYS[-1]).properties["metrics"]
        losses.append([metrics["train_logloss"], metrics["validation_logloss"]])
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    assert losses[2] == pytest.approx(losses[0], abs=1e-6)


def test_ranks_go_on_together_from_the_checkpoint_before_a_damaged_one(processes, store: Store, tmp_path: Path) -> None:
    whole = train_on(store, CONFIG).manifest
    assert run_ranks(processes, store, tmp_path, DAYS, 4, 0)[0] == -9
    store.fs.invalidate_cache()
    newest = max(path for path in store.fs.find(store.path("checkpoints")) if path.endswith(".pt"))
    assert newest.endswith("epoch-0003.pt")
    damage_file(store, newest, "flipped")
    assert run_ranks(processes, store, tmp_path, DAYS, 0, 0) == [0, 0]
    assert seen(tmp_path, 0)["weights"] == seen(tmp_path, 1)["weights"]
    after = store.manifest(WIDE_DEEP_MODEL, DAYS[-1]).properties["metrics"]
    assert after["validation_logloss"] == pytest.approx(whole.properties["metrics"]["validation_logloss"], abs=1e-4)
