"""What only a GPU can show (``make test-gpu``): that no step waits for it, and that it computes what the CPU does."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ctr_assets.features import FEATURE_SELECTIONS
from ctr_assets.storage import Store
from ctr_assets.training import device_rows
from ctr_assets.training.batches import DeviceBatches
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.device_lookup import DeviceLookUp
from ctr_assets.training.distributed import Ranks, choose_device
from ctr_assets.training.layout import build_layout
from ctr_assets.training.lookup import look_up
from ctr_assets.training.model import WideDeep
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.encoded_days import SIZES
from ctr_assets_tests.training.test_device_lookup import assert_same
from ctr_assets_tests.training.test_loader import loader_of
from ctr_assets_tests.training.test_model import ids_of
from ctr_assets_tests.training.test_train import TINY, train_on, weights_bytes

pytestmark = pytest.mark.gpu
LAYOUT = build_layout(FEATURE_SELECTIONS["default"], SIZES)


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    if not torch.cuda.is_available():
        pytest.exit("torch sees no CUDA device here", returncode=pytest.ExitCode.USAGE_ERROR)
    yield choose_device("cuda")
    torch.use_deterministic_algorithms(False)


def test_the_gpu_finds_what_the_host_finds(cuda: torch.device) -> None:
    ids = ids_of(LAYOUT, 5000)
    found = DeviceLookUp(LAYOUT, 5000, cuda)(torch.from_numpy(ids).to(cuda))
    on_host = DeviceLookUp(LAYOUT, 5000, torch.device("cpu"))(torch.from_numpy(ids))
    for one, other in zip(found, on_host, strict=True):
        for name in ("table_row_U", "slot_BF", "batch_row_V", "start_U", "source_U"):
            assert torch.equal(getattr(one, name).cpu(), getattr(other, name))
    assert_same(on_host, look_up(LAYOUT, ids))


@pytest.mark.parametrize("free_bytes", [0, 10**9])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_no_step_waits_for_the_gpu(cuda, encoded_store: Store, monkeypatch, free_bytes, optimizer) -> None:
    monkeypatch.setattr(device_rows, "free_bytes", lambda device: free_bytes)
    config = TrainingConfig(hidden=[64, 32], precision="bf16", embedding_optimizer=optimizer)
    ranks = Ranks(0, 1, cuda)
    trainer = Trainer(WideDeep(LAYOUT, config.hidden), config, ranks)
    loader = loader_of(encoded_store)
    loader.columns = [*LAYOUT.features, "label"]
    batches = DeviceBatches(LAYOUT, ranks).epoch(loader, 1)
    trainer.step(next(batches), loader.global_batch_rows(0))  # reads the rows, makes what is kept
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = [trainer.step(batch, loader.global_batch_rows(step + 1)) for step, batch in enumerate(batches)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(losses) == loader.steps - 1
    assert np.isfinite(torch.stack(losses).cpu().numpy()).all()


def test_a_training_on_the_gpu_is_repeatable_and_nearly_that_of_the_cpu(cuda, store: Store) -> None:
    config = TINY.model_copy(update={"device": "cuda", "wide_dropout": 0.0})
    first, second = (train_on(store, config) for _ in range(2))
    assert weights_bytes(store, first.manifest) == weights_bytes(store, second.manifest)
    of_cpu = train_on(store, config.model_copy(update={"device": "cpu"}))
    assert first.best.validation_logloss == pytest.approx(of_cpu.best.validation_logloss, abs=0.01)
