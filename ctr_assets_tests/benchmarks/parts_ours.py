"""What each fast part of training gains over the plain PyTorch that it stands in for, on one batch, in fp32.

The published log's numbers of values, ids as frequent as in a click log (``training_task``). Told are medians of CPU
seconds: with one thread they hardly depend on what else the machine does.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from torch.nn import functional

from ctr_assets.features import FEATURE_SELECTIONS
from ctr_assets.training.batches import Batch
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.distributed import Ranks
from ctr_assets.training.frozen import FrozenWideDeep
from ctr_assets.training.gather import gather
from ctr_assets.training.layout import build_layout
from ctr_assets.training.lookup import look_up
from ctr_assets.training.model import WideDeep
from ctr_assets.training.trainer import Trainer
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.training_task import SIZES, column
from ctr_assets_tests.training.reference import reference_of

BATCH_ROWS = {"default": 4_096, "original": 2_048}
ROUNDS = 9
CPU = torch.device("cpu")
Part = tuple[str, Callable[[], object], Callable[[], object]]
"""What is compared, ours, and plain PyTorch's."""


def parts(preset: str) -> Iterator[Part]:
    config = TrainingConfig.model_validate({"preset": preset, "precision": "fp32"})
    layout, rng, B = build_layout(FEATURE_SELECTIONS[preset], SIZES), np.random.default_rng(0), BATCH_ROWS[preset]
    id_BF = np.stack([column(rng, size, B) for size in layout.sizes], axis=1)
    labels = torch.from_numpy((rng.random(B) < 0.17).astype(np.float32))
    model = WideDeep(layout, config.hidden, wide_dropout=config.wide_dropout)
    trainer, reference = Trainer(model, config, Ranks(0, 1, CPU)), reference_of(model)
    model.train()
    lookups = look_up(layout, id_BF)
    named = dict(zip(layout.features, torch.from_numpy(id_BF).T, strict=True))

    def step() -> None:
        trainer.step(Batch(look_up(layout, id_BF), labels), B)

    adam_of_rows = config.embedding_optimizer == "adam"
    of_rows = (torch.optim.Adam if adam_of_rows else torch.optim.Adagrad)(
        [*reference.wide.parameters(), *reference.deep.parameters()], lr=config.embedding_learning_rate, fused=True
    )
    of_layers = torch.optim.Adam([*reference.perceptron.parameters(), reference.bias], lr=config.learning_rate)

    def plain_step() -> None:
        reference.zero_grad()
        functional.binary_cross_entropy_with_logits(reference(named), labels).backward()
        of_rows.step()
        of_layers.step()

    yield "a whole step", step, plain_step

    def plain_look_up() -> None:
        for ids in named.values():
            sorted_ids, _ = ids.sort(stable=True)
            torch.unique_consecutive(sorted_ids, return_inverse=True, return_counts=True)

    yield "lookup: distinct rows, and the values of each", lambda: look_up(layout, id_BF), plain_look_up

    table, lookup = model.row_tables[-1], lookups[-1]
    rows_UD = table.weight[lookup.table_row_U].requires_grad_()
    ours, plain = gather(rows_UD, lookup), functional.embedding(lookup.slot_BF, rows_UD)
    gradient = torch.randn_like(ours)
    yield (
        "gather: backward of the embeddings",
        lambda: torch.autograd.grad(ours, rows_UD, gradient, retain_graph=True),
        lambda: torch.autograd.grad(plain, rows_UD, gradient, retain_graph=True),
    )

    def forward_and_backward() -> None:
        model(lookups).sum().backward()

    def gathered_first() -> None:
        with patch("ctr_assets.training.layout.PROJECT_FROM_DIMENSION", 1 << 30):
            forward_and_backward()

    if any(part.is_projected for part in layout.deep):
        yield "model: first layer before the gathering", forward_and_backward, gathered_first

    gradient_UD = torch.randn(len(lookup.table_row_U), table.layout.dimension)
    dense = torch.nn.Parameter(table.weight.clone())
    dense.grad = torch.zeros_like(dense).index_copy_(0, lookup.table_row_U.long(), gradient_UD)
    of_table = type(of_rows)([dense], lr=config.embedding_learning_rate, fused=True)
    yield (
        f"optimizer: {table.layout.rows:,} rows of {table.layout.dimension}",
        lambda: trainer.row_optimizers[-1].step(lookup.table_row_U, gradient_UD, config.embedding_learning_rate),
        of_table.step,
    )

    with torch.no_grad():
        frozen = FrozenWideDeep(model, CPU)

    def predict() -> None:
        with torch.no_grad():
            frozen(frozen.find(id_BF))

    def plain_predict() -> None:
        with torch.no_grad():
            torch.sigmoid(reference(named))

    yield "frozen: predictions", predict, plain_predict


def seconds_of(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main() -> None:
    told = {}
    for preset in BATCH_ROWS:
        for name, ours, plain in parts(preset):
            rounds = [(seconds_of(ours), seconds_of(plain)) for _ in range(ROUNDS + 1)][1:]  # the first warms up
            told[f"{name}, {preset} preset"] = [median(of_one) for of_one in zip(*rounds, strict=True)]
    tell(parts=told)


if __name__ == "__main__":
    main()
