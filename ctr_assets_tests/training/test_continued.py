"""A chain of models, each gone on from the day before: what is carried over, and that it is reproducible."""

import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from sklearn.metrics import log_loss

from ctr_assets.features import FEATURE_SELECTIONS, Split
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import ENCODED_FEATURES, WIDE_DEEP_MODEL
from ctr_assets.training.carry_over import go_on, optimizer_tensors
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.distributed import Ranks
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.model import WideDeep
from ctr_assets.training.score import Scorer
from ctr_assets.training.train import train
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.encoded_days import SIZES, write_days
from ctr_assets_tests.training.conftest import DAYS
from ctr_assets_tests.training.interrupted import train_until_killed
from ctr_assets_tests.training.test_distributed import run_ranks, seen

CONFIG = TrainingConfig(hidden=[16], batch_size=400, epochs=2, wide_dropout=0.2, precision="fp32", device="cpu")


def train_chain(store: Store, config: TrainingConfig = CONFIG, days: list[str] = DAYS) -> list[Manifest]:
    return [
        train(store, days[last], days[: last + 1], config, log=lambda line: None).manifest for last in range(len(days))
    ]


def contents(manifest: Manifest) -> dict[str, str]:
    """SHA-256 of the model's tensors; the card names versions, which differ from run to run."""
    return {file.name: file.sha256 for file in manifest.files if file.name.endswith(".safetensors")}


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_the_same_chain_again_gives_the_same_bytes(tmp_path: Path, optimizer: str) -> None:
    config = CONFIG.model_copy(update={"embedding_optimizer": optimizer})
    chains = []
    for name in ("first", "second"):
        store = Store(str(tmp_path / name))
        write_days(store, DAYS, rows_per_day=1200)
        chains.append([contents(manifest) for manifest in train_chain(store, config)])
    assert chains[0] == chains[1]
    assert len(chains[0][2]) == 2


@pytest.mark.long
@pytest.mark.parametrize(
    "point",
    [
        "in the middle of the day",
        "after the first checkpoint",
        "between the files and the manifest",
        "after the commit",
    ],
)
def test_killed_at_any_moment_the_chain_ends_alike(
    processes: ForkServerContext, store: Store, tmp_path: Path, point: str
) -> None:
    other = Store(str(tmp_path / "unbroken"))
    write_days(other, DAYS, rows_per_day=1200)
    unbroken = train_chain(other)
    train_chain(store, days=DAYS[:2])
    process = processes.Process(target=train_until_killed, args=(store.url, CONFIG, point, DAYS))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    again = train(store, DAYS[2], DAYS, CONFIG, log=lambda line: None).manifest
    assert again.properties["start"]["kind"] == "continued"
    assert contents(again) == contents(unbroken[2])


@pytest.mark.long
def test_more_ranks_go_on_as_one_process_does(processes: ForkServerContext, store: Store, tmp_path: Path) -> None:
    """Two ranks go on from what one process left, and one process from what two ranks left."""
    config = TrainingConfig(hidden=[16], batch_size=10_000, epochs=2, precision="fp32", device="cpu")
    train_chain(store, config, DAYS[:2])
    alone = train(store, DAYS[2], DAYS, config, log=lambda line: None).best
    assert run_ranks(processes, store, tmp_path, DAYS, 0, 0, config=config) == [0, 0]
    assert seen(tmp_path, 0)["weights"] == seen(tmp_path, 1)["weights"]
    together = store.manifest(WIDE_DEEP_MODEL, DAYS[2])
    assert together.properties["start"]["kind"] == "continued"
    assert together.properties["metrics"]["validation_logloss"] == pytest.approx(alone.validation_logloss, abs=1e-4)
    assert run_ranks(processes, store, tmp_path, DAYS[:2], 0, 0, config=config) == [0, 0]
    again = train(store, DAYS[2], DAYS, config, log=lambda line: None)
    assert again.manifest.properties["start"]["previous"]["version"] == store.manifest(WIDE_DEEP_MODEL, DAYS[1]).version
    assert again.best.validation_logloss == pytest.approx(alone.validation_logloss, abs=1e-4)


def test_a_chain_goes_on_from_object_storage(gcs, store: Store) -> None:
    bucket = Store(f"{gcs.uri}/s")
    write_days(bucket, DAYS, rows_per_day=1200)
    of_bucket, of_disk = train_chain(bucket), train_chain(store)
    assert of_bucket[2].properties["start"]["kind"] == "continued"
    assert [contents(manifest) for manifest in of_bucket] == [contents(manifest) for manifest in of_disk]


def test_a_continued_day_is_one_pass(store: Store) -> None:
    lines: list[str] = []
    train_chain(store, days=DAYS[:1])
    train(store, DAYS[1], DAYS[:2], CONFIG.model_copy(update={"epochs": 2}), log=lines.append)
    assert sum("train logloss" in line for line in lines) == 1


def test_a_chain_knows_what_its_first_day_taught(tmp_path: Path) -> None:
    """Days of one click model: a model that has met three does better on the last than one of the last alone."""
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=4000)
    config = CONFIG.model_copy(update={"batch_size": 128, "wide_dropout": 0.0, "hidden": [32]})
    chain = train_chain(store, config)[-1]
    alone = train(store, DAYS[2], DAYS[2:], config.model_copy(update={"epochs": 1}), log=lambda line: None).manifest
    encoded = store.manifest(ENCODED_FEATURES, DAYS[2])
    rows = pa.concat_tables(store.parquet(encoded, file).read() for file in encoded.files)
    test = rows.filter(pa.array(rows["split"].to_numpy() == Split.TEST.code))
    of_chain, of_alone = (log_loss(test["label"], Scorer.load(store, m, "cpu").predict(test)) for m in (chain, alone))
    assert of_chain < of_alone - 0.01


def trainer_of(layout: Layout, optimizer: str, seed: int) -> Trainer:
    config = CONFIG.model_copy(update={"embedding_optimizer": optimizer})
    return Trainer(WideDeep(layout, config.hidden, seed=seed), config, Ranks(0, 1, torch.device("cpu")))


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
@pytest.mark.parametrize("preset", ["default", "original"])
def test_known_ids_keep_their_rows_and_new_ones_are_those_of_a_fresh_model(preset: str, optimizer: str) -> None:
    grown = {name: size + 1 + position % 3 for position, (name, size) in enumerate(SIZES.items())}
    before, after = (build_layout(FEATURE_SELECTIONS[preset], sizes) for sizes in (SIZES, grown))
    old, new, fresh = trainer_of(before, optimizer, 1), trainer_of(after, optimizer, 2), trainer_of(after, optimizer, 2)
    stir(old)
    state = old.state_dict()
    go_on(new, state["model"], optimizer_tensors(state), before)
    for tables, old_tables, fresh_tables in (
        [[t.weight for t in trainer.model.row_tables] for trainer in (new, old, fresh)],
        [[first_of(o) for o in trainer.row_optimizers] for trainer in (new, old, fresh)],
    ):
        for position, layout in enumerate(after.tables):
            for feature in range(layout.first, layout.end):
                known = before.sizes[feature] + 1
                rows = of_feature(tables[position], after, position, feature)
                assert torch.equal(rows[:known], of_feature(old_tables[position], before, position, feature))
                assert torch.equal(rows[known:], of_feature(fresh_tables[position], after, position, feature)[known:])
    assert torch.equal(new.model.bias, old.model.bias)
    assert new.adam.state_dict()["state"][0]["step"] == 3


def stir(trainer: Trainer) -> None:
    """Give every number of a trainer's state a value of its own."""
    generator = torch.Generator().manual_seed(5)
    for parameter in trainer.dense:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    for _ in range(3):
        trainer.adam.step()
    for table, optimizer in zip(trainer.model.row_tables, trainer.row_optimizers, strict=True):
        rows = torch.arange(len(table.weight))
        optimizer.step(rows, torch.randn(table.weight.shape, generator=generator), 0.1)


def first_of(optimizer) -> torch.Tensor:
    state = optimizer.state_dict()
    return state["sums"] if "sums" in state else state["second"]


def of_feature(rows: torch.Tensor, layout: Layout, table: int, feature: int) -> torch.Tensor:
    begin = layout.offsets[layout.tables[table].first]
    return rows[layout.offsets[feature] - begin : layout.offsets[feature + 1] - begin]


def test_a_model_from_scratch_does_not_depend_on_the_optimizers_file(store: Store) -> None:
    """Scoring reads the weights and the card alone."""
    manifest = train_chain(store, days=DAYS[:1])[0]
    store.fs.rm_file(store.file_path(manifest, store.file(manifest, "optimizer.safetensors")))
    assert Scorer.load(store, store.manifest(WIDE_DEEP_MODEL, DAYS[0]), "cpu").card["day"] == DAYS[0]
