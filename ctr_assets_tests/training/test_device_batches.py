"""The way of a GPU, on the CPU: its look-up, its rows, its steps, and that no step asks the device for a number."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ctr_assets.features import FEATURE_SELECTIONS, Split
from ctr_assets.storage import Store
from ctr_assets.training import batches as choosing
from ctr_assets.training import device_rows
from ctr_assets.training.batches import Batch, DeviceBatches, HostBatches
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.device_lookup import DeviceLookUp, sum_equal_rows
from ctr_assets.training.device_rows import ResidentRows, StreamedRows, fits
from ctr_assets.training.distributed import Ranks
from ctr_assets.training.gather import segment_sums
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.model import WideDeep
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.encoded_days import SIZES
from ctr_assets_tests.training.test_continued import contents, train_chain
from ctr_assets_tests.training.test_loader import as_rows, loader_of, rows_of
from ctr_assets_tests.training.test_train import TINY, train_on, weights_bytes

CPU = torch.device("cpu")
ROWS = 512
HOST_READS = ("_local_scalar_dense", "item", "nonzero", "masked_select", "unique", "equal", "is_nonzero")
"""Operators whose result, or its shape, the host has to wait for."""


@pytest.fixture(params=["resident", "streamed"])
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Training goes the way of a device, which holds all rows or none."""
    monkeypatch.setattr(choosing, "LOOK_UP_DEVICES", {"cpu"})
    monkeypatch.setattr(device_rows, "free_bytes", lambda device: 10**9 if request.param == "resident" else 0)
    return str(request.param)


def layout_of(preset: str = "default") -> Layout:
    return build_layout(FEATURE_SELECTIONS[preset], SIZES)


def a_trainer(config: TrainingConfig, device: torch.device = CPU) -> Trainer:
    model = WideDeep(layout_of(config.preset), config.hidden, wide_dropout=config.wide_dropout)
    return Trainer(model, config, Ranks(0, 1, device))


def matrices(layout: Layout, rows: int, count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        ids = [rng.zipf(1.3, rows) % (size + 2) for size in layout.sizes]
        yield np.stack([*ids, rng.random(rows) < 0.2], axis=1).astype(np.int32)


# ------------------------------------------------------------------------------------------------------------ rows


def no_row_is_evaluated(store: Store) -> None:
    trainer = a_trainer(TINY)
    bias = trainer.model.bias.item()
    metrics = trainer.evaluate(loader_of(store, days=[]), fit_intercept=True)
    assert metrics.counts.sum() == metrics.loss_sum == 0
    assert trainer.model.bias.item() == bias


def test_no_row_has_metrics_of_nothing_on_a_host(encoded_store: Store) -> None:
    no_row_is_evaluated(encoded_store)


def test_no_row_has_metrics_of_nothing_the_way_of_a_device(encoded_store: Store, order: str) -> None:
    no_row_is_evaluated(encoded_store)


def test_resident_rows_come_once_an_epoch_in_an_order_of_the_seed_and_the_epoch(encoded_store: Store) -> None:
    expected = Counter(row for rows in rows_of(encoded_store, Split.TRAIN).values() for row in rows)
    loader = loader_of(encoded_store)
    resident = ResidentRows(loader, CPU)
    first, second = (as_rows(batch.numpy() for batch in resident.epoch(epoch)) for epoch in (1, 2))
    assert Counter(first) == Counter(second) == expected
    assert first != second
    again = ResidentRows(loader_of(encoded_store), CPU)
    assert as_rows(batch.numpy() for batch in again.epoch(2)) == second
    other_seed = ResidentRows(loader_of(encoded_store, seed=1), CPU)
    assert as_rows(batch.numpy() for batch in other_seed.epoch(2)) != second
    assert [len(batch) for batch in resident.epoch(1)] == [loader.batch_rows(step, 0) for step in range(loader.steps)]
    assert max(map(len, resident.epoch(1))) == loader.most_batch_rows


def test_ranks_keep_rows_of_their_own(encoded_store: Store) -> None:
    expected = Counter(row for rows in rows_of(encoded_store, Split.TRAIN).values() for row in rows)
    loaders = [loader_of(encoded_store, rank=rank, world_size=3) for rank in range(3)]
    of_ranks = [as_rows(batch.numpy() for batch in ResidentRows(loader, CPU).epoch(1)) for loader in loaders]
    assert sum(map(Counter, of_ranks), Counter()) == expected


@pytest.mark.parametrize("shuffle", [False, True])
def test_streamed_rows_are_those_of_the_loader(encoded_store: Store, shuffle) -> None:
    loader = loader_of(encoded_store, shuffle=shuffle)
    assert as_rows(batch.numpy() for batch in StreamedRows(loader, CPU).epoch(3)) == as_rows(loader.epoch(3))
    if not shuffle:
        assert as_rows(batch.numpy() for batch in ResidentRows(loader, CPU).epoch(3)) == as_rows(loader.epoch(3))


def test_rows_stay_on_the_device_where_half_of_its_free_memory_holds_them(encoded_store: Store, monkeypatch) -> None:
    loader = loader_of(encoded_store)
    wanted = loader.total_rows * (4 * len(loader.columns) + 32)
    monkeypatch.setattr(device_rows, "free_bytes", lambda device: 2 * wanted)
    assert fits(loader, CPU)
    monkeypatch.setattr(device_rows, "free_bytes", lambda device: 2 * wanted - 2)
    assert not fits(loader, CPU)


# --------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("preset", ["default", "original"])
def test_steps_are_those_of_the_host_up_to_the_order_of_sums(preset) -> None:
    config = TrainingConfig(preset=preset, hidden=[16, 8], precision="fp32", wide_dropout=0.0)
    host, device = a_trainer(config), a_trainer(config)
    layout = host.model.layout
    look_up = DeviceLookUp(layout, ROWS + 7, CPU)
    host_look_up = HostBatches(layout)
    for matrix in matrices(layout, ROWS, 6):
        (of_host,) = host_look_up._made(_OneMatrix(matrix), 0)  # type: ignore[arg-type]
        rows = torch.from_numpy(matrix)
        one = host.step(of_host, ROWS)
        other = device.step(Batch(look_up(rows[:, :-1]), rows[:, -1].float()), ROWS)
        assert float(one) == pytest.approx(float(other), abs=1e-6)
    expected = host.model.state_dict()
    for name, tensor in device.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)


class _OneMatrix:
    """A loader of one batch."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        yield self.matrix


def test_a_training_begun_again_gives_the_same_bytes_and_nearly_those_of_the_host(
    tmp_path, encoded_store: Store, order: str, monkeypatch
) -> None:
    trained = [train_on(encoded_store, TINY) for _ in range(2)]
    first, second = (weights_bytes(encoded_store, model.manifest) for model in trained)
    assert first == second
    monkeypatch.setattr(choosing, "LOOK_UP_DEVICES", set())
    of_host = train_on(encoded_store, TINY)
    assert trained[0].best.validation_logloss == pytest.approx(
        of_host.best.validation_logloss, abs=1e-5 if order == "streamed" else 0.01
    )


def _stopping_at(number: int, step: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    steps = 0

    def stopping(*arguments: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == number:
            raise KeyboardInterrupt
        return step(*arguments)

    return stopping


def test_stopped_in_an_epoch_and_run_again_the_weights_are_those_of_an_unbroken_run(
    store: Store, order: str, monkeypatch
) -> None:
    unbroken = weights_bytes(store, train_on(store, TINY).manifest)
    monkeypatch.setattr(Trainer, "step", _stopping_at(9, Trainer.step))
    with pytest.raises(KeyboardInterrupt):
        train_on(store, TINY)
    told: list[str] = []
    resumed = train_on(store, TINY, log=told.append)
    assert "resumed after epoch 1" in told[1]
    assert weights_bytes(store, resumed.manifest) == unbroken


def test_rows_that_came_in_another_order_are_not_gone_on_with(store: Store, order: str, monkeypatch) -> None:
    """A device with less free memory than at the first attempt: both orders are repeatable, a mixture is not."""
    monkeypatch.setattr(Trainer, "step", _stopping_at(9, Trainer.step))
    with pytest.raises(KeyboardInterrupt):
        train_on(store, TINY)
    monkeypatch.setattr(device_rows, "free_bytes", lambda device: 0 if order == "resident" else 10**9)
    told: list[str] = []
    train_on(store, TINY, log=told.append)
    assert not [line for line in told if "resumed" in line]


def test_a_chain_of_continued_models_is_repeatable(store: Store, order: str) -> None:
    first, second = ([contents(manifest) for manifest in train_chain(store)] for _ in range(2))
    assert first == second


# ------------------------------------------------------------------------------------------------- waiting for nothing


class HostReads(TorchDispatchMode):
    """Counts what makes the host wait for a device: reads of a number, shapes that depend on one, copies."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        result = func(*args, **(kwargs or {}))
        of = [tensor.device for tensor in (*args[:2], result) if isinstance(tensor, torch.Tensor)]
        copied = name in ("_to_copy", "copy_") and len({device.type for device in of}) > 1
        if by_mask or copied or any(read in name for read in HOST_READS):
            self.found[name] += 1
        return result


def test_the_counter_sees_what_waits() -> None:
    with HostReads() as reads:
        numbers = torch.arange(4)
        for wait in (numbers.sum().item, numbers.nonzero, numbers.unique, lambda: numbers[numbers > 1]):
            before = reads.found.total()
            wait()
            assert reads.found.total() > before


@pytest.mark.parametrize("preset", ["default", "original"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_reads_nothing_from_the_device(preset, optimizer, precision) -> None:
    config = TrainingConfig(preset=preset, hidden=[16, 8], precision=precision, embedding_optimizer=optimizer)
    trainer = a_trainer(config)
    trainer.model.train()
    look_up = DeviceLookUp(trainer.model.layout, ROWS, CPU)
    for matrix in matrices(trainer.model.layout, ROWS, 2):
        rows = torch.from_numpy(matrix)
        with HostReads() as reads:
            trainer.step(Batch(look_up(rows[:, :-1]), rows[:, -1].float()), ROWS)
        assert not reads.found


def test_an_epoch_reads_nothing_from_the_device(encoded_store: Store, order: str) -> None:
    """The batches of an epoch, too: cut and looked up without a read."""
    loader = loader_of(encoded_store)
    loader.columns = [*layout_of().features, "label"]
    batches = DeviceBatches(layout_of(), Ranks(0, 1, CPU))
    assert batches.order_of(loader) == order
    with HostReads() as reads:
        shapes = [[lookup.table_row_U.shape for lookup in batch.lookups] for batch in batches.epoch(loader, 1)]
    assert not reads.found
    assert len(shapes) == loader.steps
    assert all(of_batch == shapes[0] for of_batch in shapes)


def _moved(model: WideDeep, device: torch.device) -> WideDeep:
    """``Module.to`` for tensors without numbers, which torch cannot exchange in place."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, torch.nn.Parameter(parameter.detach().to(device)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(device))
    return model


class WithoutGuard(TorchFunctionMode):
    """Two methods by others: before these a torch without CUDA would select the device, which it cannot."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.contiguous:
            return torch.clone(args[0], memory_format=torch.contiguous_format)
        if func is not torch.Tensor.__getitem__:
            return func(*args, **(kwargs or {}))
        tensor, index = args
        for axis, part in enumerate(index if isinstance(index, tuple) else (index,)):
            start, stop, _ = part.indices(tensor.shape[axis])
            tensor = tensor.narrow(axis, start, stop - start)
        return tensor


@pytest.mark.parametrize("preset", ["default", "original"])
@torch.no_grad()
def test_look_up_forward_and_optimizers_need_nothing_but_the_device(preset, monkeypatch) -> None:
    """Tensors without numbers, said to lie on CUDA: an operator that wants a number, or one of the CPU, fails.

    Not the backward pass: torch's engine asks for the device itself.
    """
    config = TrainingConfig(preset=preset, hidden=[16, 8], precision="fp32")
    monkeypatch.setattr(WideDeep, "to", _moved)
    with FakeTensorMode(allow_non_fake_inputs=False), WithoutGuard():
        device = torch.device("cuda:0")
        trainer = a_trainer(config, device)
        trainer.model.eval()
        layout = trainer.model.layout
        ids = torch.zeros(ROWS, len(layout.features), dtype=torch.int32, device=device)
        look_up = DeviceLookUp(layout, ROWS, device)
        with HostReads() as reads:
            lookups = look_up(ids)
            assert trainer.model(lookups).device == device
            touched = []
            for table, lookup in zip(layout.tables, lookups, strict=True):
                values = torch.zeros(ROWS, table.dimension, device=device)
                sums = segment_sums(values, lookup.batch_row_V, lookup.start_U, lookup.pieces)
                touched.append(sum_equal_rows(lookup.table_row_U, sums))
            trainer._update(touched, 1.0)
        assert all(table.weight.device == device for table in trainer.model.row_tables)
    assert not reads.found


@pytest.mark.parametrize("preset", ["default", "original"])
def test_look_up_and_model_are_one_graph_of_two_sets_of_shapes(preset) -> None:
    """Batches of an epoch differ by a row at most: traced twice, without a break, they give the same logits."""
    trainer = a_trainer(TrainingConfig(preset=preset, hidden=[16, 8], precision="fp32"))
    model, look_up = trainer.model.eval(), DeviceLookUp(trainer.model.layout, ROWS, CPU)

    def logits(ids: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
        lookups = look_up(ids)
        rows = [weight.index_select(0, of.table_row_U) for weight, of in zip(weights, lookups, strict=True)]
        return model.logits(rows, lookups)

    traced = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(logits, backend=traced, fullgraph=True, dynamic=False)
    weights = [table.weight.clone().requires_grad_() for table in model.row_tables]
    for rows in (ROWS, ROWS - 1, ROWS, ROWS - 1):
        (matrix,) = matrices(model.layout, rows, 1)
        ids = torch.from_numpy(matrix[:, :-1])
        found = compiled(ids, weights)
        assert torch.equal(found, logits(ids, weights))
        assert all(gradient is not None for gradient in torch.autograd.grad(found.sum(), weights))
    assert traced.frame_count == 2
