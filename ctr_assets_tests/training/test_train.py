import itertools
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from ctr_assets.features import Split
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import ENCODED_FEATURES, WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.model import WideDeep
from ctr_assets.training.publish import WEIGHTS_NAME, publish, read_card, read_weights
from ctr_assets.training.score import Scorer
from ctr_assets.training.splits import NoTrainingRowsError
from ctr_assets.training.start import Start
from ctr_assets.training.train import TrainedModel, train
from ctr_assets.training.trainer import DivergedError
from ctr_assets.training.window import resolve_window
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.training.conftest import DAYS
from ctr_assets_tests.training.interrupted import train_until_killed

TINY = TrainingConfig(
    hidden=[16], batch_size=400, epochs=3, patience=3, wide_dropout=0.2, precision="fp32", device="cpu"
)
"""Three epochs of six steps over the three days of the ``store`` fixture."""


@pytest.fixture
def tiny(precision: str) -> TrainingConfig:
    """``TINY`` in either precision."""
    return TINY.model_copy(update={"precision": precision})


def train_on(store: Store, config: TrainingConfig = TINY, **options) -> TrainedModel:
    log = options.pop("log", lambda message: None)
    return train(store, DAYS[-1], DAYS, config, log=log, **options)


def rows_of(store: Store, split: Split) -> pa.Table:
    manifests = [store.manifest(ENCODED_FEATURES, day) for day in DAYS]
    table = pa.concat_tables(store.parquet(m, file).read() for m in manifests for file in m.files)
    return table.filter(pa.array(table["split"].to_numpy() == split.code))


def weights_bytes(store: Store, manifest: Manifest) -> bytes:
    return Path(store.file_path(manifest, manifest.files[0])).read_bytes()


def test_the_model_learns_what_no_linear_model_can(encoded_store: Store, precision) -> None:
    config = TrainingConfig(
        hidden=[32], batch_size=256, epochs=8, patience=2, embedding_learning_rate=0.05, precision=precision
    )
    trained = train_on(encoded_store, config)
    training, validation = rows_of(encoded_store, Split.TRAIN), rows_of(encoded_store, Split.VALIDATION)
    one_hot = OneHotEncoder(handle_unknown="ignore")
    fields = ["C1", "banner_pos", "C14"]
    linear = LogisticRegression().fit(
        one_hot.fit_transform(np.stack([training[f] for f in fields], 1)), training["label"].to_numpy()
    )
    scores = linear.predict_proba(one_hot.transform(np.stack([validation[f] for f in fields], 1)))[:, 1]
    linear_auc = roc_auc_score(validation["label"].to_numpy(), scores)
    assert trained.best.validation_auc is not None
    assert trained.best.validation_auc > linear_auc + 0.1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(store: Store, tiny) -> None:
    first, second = train_on(store, tiny), train_on(store, tiny)
    other = train_on(store, tiny.model_copy(update={"seed": 1}))
    assert first.manifest.version != second.manifest.version
    assert first.manifest.content_fingerprint == second.manifest.content_fingerprint
    assert weights_bytes(store, first.manifest) == weights_bytes(store, second.manifest)
    assert weights_bytes(store, first.manifest) != weights_bytes(store, other.manifest)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_ends_near_fp32(store: Store, precision) -> None:
    full = train_on(store, TINY.model_copy(update={"precision": "fp32"}))
    mixed = train_on(store, TINY.model_copy(update={"precision": precision}))
    assert mixed.best.validation_logloss == pytest.approx(full.best.validation_logloss, abs=0.01)
    assert mixed.best.validation_logloss != full.best.validation_logloss


@pytest.mark.parametrize(("precision", "rounding"), [("fp32", 1e-6), ("bf16", 1e-3)], indirect=["precision"])
def test_early_stopping_keeps_the_best_epoch(store: Store, precision, rounding) -> None:
    overfitting = TrainingConfig(
        hidden=[64], batch_size=200, epochs=30, patience=2, embedding_learning_rate=0.3, precision=precision
    )
    trained = train_on(store, overfitting)
    losses = [epoch.validation_logloss for epoch in trained.curve]
    assert trained.best.epoch == 1 + int(np.argmin(losses))
    assert len(losses) == trained.best.epoch + 2 < 30
    validation = rows_of(store, Split.VALIDATION)
    predicted = Scorer.load(store, trained.manifest).predict(validation)
    # The curve is in the precision of training, a prediction always in fp32; the last epoch's loss is far from both.
    found = log_loss(validation["label"].to_numpy(), predicted.astype(float))
    assert found == pytest.approx(min(losses), abs=rounding)
    assert losses[-1] - min(losses) > 4 * rounding


def test_each_epoch_is_told_as_it_happens(store: Store) -> None:
    told: list[str] = []
    train_on(store, log=told.append)
    start, *epochs = told
    assert start == f"from scratch on 3 days: wide_deep_model[{DAYS[1]}] is not materialized"
    assert [line.split(":")[0] for line in epochs] == ["epoch 1", "epoch 2", "epoch 3"]
    assert all("train logloss" in line and "validation logloss" in line and "rows/s" in line for line in epochs)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"], indirect=True)
def test_a_diverging_loss_is_an_error_and_commits_nothing(store: Store, monkeypatch, precision) -> None:
    forward, calls = WideDeep.forward, itertools.count()

    def overflowing(self: WideDeep, lookups):
        return forward(self, lookups) * (float("inf") if next(calls) >= 8 else 1.0)

    monkeypatch.setattr(WideDeep, "forward", overflowing)
    with pytest.raises(DivergedError, match="of epoch 2: nothing was committed"):
        train_on(store, TINY.model_copy(update={"precision": precision}))
    assert store.find(WIDE_DEEP_MODEL, DAYS[-1]) is None


def test_weights_that_are_not_finite_are_counted(store: Store) -> None:
    trained = train_on(store, TINY.model_copy(update={"epochs": 1}))
    assert trained.manifest.properties["nonfinite_weights"] == 0
    weights = read_weights(store, trained.manifest)
    largest = max(weights.values(), key=torch.numel).view(-1)
    largest[0], largest[1] = float("nan"), float("inf")
    window, tensors = resolve_window(store, DAYS[-1], DAYS), {WEIGHTS_NAME: weights}
    card = read_card(store, trained.manifest)
    published = publish(store, Start("a test"), window, card, tensors, {}, {"device": "cpu"})
    assert published.properties["nonfinite_weights"] == 2
    assert published.properties["device"] == "cpu"


def test_a_window_without_training_rows_is_an_error(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    write_days(store, DAYS, rows_per_day=0)
    with pytest.raises(NoTrainingRowsError, match=r"2014-10-21\.\.2014-10-23 holds 0 train rows"):
        train_on(store)


def test_a_day_without_rows_in_the_window_is_fine(store: Store) -> None:
    all_rows = rows_of(store, Split.TRAIN).num_rows
    manifest = store.manifest(ENCODED_FEATURES, DAYS[0])
    store.begin(ENCODED_FEATURES, DAYS[0]).commit([], manifest.columns, properties=manifest.properties)
    trained = train_on(store, TINY.model_copy(update={"epochs": 1}))
    assert trained.train_rows == rows_of(store, Split.TRAIN).num_rows < all_rows


def test_a_checkpoint_of_other_inputs_is_not_resumed(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("ctr_assets.training.checkpoint.Checkpoints.remove", lambda self: None)
    told: list[str] = []
    train_on(store, TINY.model_copy(update={"epochs": 1}), log=told.append)
    train_on(store, TINY.model_copy(update={"epochs": 1, "seed": 5}), log=told.append)
    train_on(store, TINY.model_copy(update={"epochs": 1}), log=told.append, code_version="2")
    assert not any("resumed" in line for line in told)
    train_on(store, TINY.model_copy(update={"epochs": 1}), log=told.append)
    assert "resumed after epoch 1" in told[-1]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, precision: str) -> bytes:
    """The weights of a run that nothing interrupted."""
    store = Store(str(tmp_path_factory.mktemp("unbroken")))
    write_days(store, DAYS, rows_per_day=1200)
    return weights_bytes(store, train_on(store, TINY.model_copy(update={"precision": precision})).manifest)


@pytest.mark.long
@pytest.mark.parametrize(
    ("point", "resumed_after"),
    [
        ("in the middle of the second epoch", 1),
        ("before a checkpoint gets its name", 1),
        ("after the first checkpoint", 1),
        ("between the files and the manifest", 3),
        ("after the commit", 3),
    ],
)
def test_killed_and_run_again_the_weights_are_those_of_an_unbroken_run(
    store: Store, tiny: TrainingConfig, unbroken: bytes, processes: ForkServerContext, point: str, resumed_after: int
) -> None:
    before = train_on(store, tiny.model_copy(update={"epochs": 1, "seed": 9})).manifest
    killed = processes.Process(target=train_until_killed, args=(store.url, tiny, point))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    readable = store.manifest(WIDE_DEEP_MODEL, DAYS[-1])
    assert (readable.version == before.version) == (point != "after the commit")
    assert len(Scorer.load(store, readable).predict(rows_of(store, Split.VALIDATION))) > 0
    told: list[str] = []
    after = train_on(store, tiny, log=told.append).manifest
    assert f"resumed after epoch {resumed_after}" in told[1]
    assert weights_bytes(store, after) == unbroken
    assert store.manifest(WIDE_DEEP_MODEL, DAYS[-1]).version == after.version
    assert store.fs.find(store.path("checkpoints")) == []
