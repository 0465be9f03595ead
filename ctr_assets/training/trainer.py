"""One training in progress: steps, epochs, evaluation, and its state. Where rows come from and go to is not here."""

import math
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from tqdm import tqdm

from ctr_assets.training.batches import Batch, choose_batches
from ctr_assets.training.calibration import fit_shift
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.device_lookup import sum_equal_rows
from ctr_assets.training.distributed import Ranks, RowsOfTable
from ctr_assets.training.loader import Loader
from ctr_assets.training.lookup import Lookup
from ctr_assets.training.metrics import StreamingMetrics
from ctr_assets.training.model import WideDeep
from ctr_assets.training.optimizer import row_optimizer
from ctr_assets.training.precision import LossScale, autocast, choose_precision

LOSS_CHECK_STEPS = 50
"""Steps between two looks at the loss: on CUDA each look waits for the device."""


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


class Trainer:
    """A model, its optimizers and its random state, over batches whose columns are the layout's features and label."""

    def __init__(self, model: WideDeep, config: TrainingConfig, ranks: Ranks) -> None:
        self.model, self.config, self.ranks = model.to(ranks.device), config, ranks
        self.precision = choose_precision(config.precision, ranks.device)
        self.scale = LossScale(self.precision)
        self.dense = list(model.parameters())
        self.adam = torch.optim.Adam(self.dense, lr=config.learning_rate, fused=True)
        self.batches = choose_batches(model.layout, ranks)
        self.row_optimizers = [row_optimizer(config.embedding_optimizer, table) for table in model.row_tables]

    def train_epoch(self, loader: Loader, epoch: int) -> float:
        """One pass over the training rows; returns the mean logloss of all ranks' rows as they were met.

        All randomness of an epoch comes from (seed, epoch, rank), so a resumed epoch equals an unbroken one. Raises
        :class:`DivergedError` on every rank when the loss is not finite.
        """
        # numpy spreads the three numbers over 64 bits; torch takes one.
        torch.manual_seed(int(np.random.SeedSequence([self.config.seed, epoch, self.ranks.rank]).generate_state(1)[0]))
        self.model.train()
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.ranks.device)
        bar = tqdm(total=loader.total_rows, desc=f"epoch {epoch}", unit="row", unit_scale=True, disable=self._bar_off)
        with bar, closing(self.batches.epoch(loader, epoch)) as batches:
            for step, batch in enumerate(batches):
                rows = loader.global_batch_rows(step)
                factor = self.config.learning_rate_factor(epoch, step, loader.steps)
                loss_sum += self.step(batch, rows, factor).double() * rows
                if (step + 1) % LOSS_CHECK_STEPS == 0 or step + 1 == loader.steps:
                    self._check(loss_sum, epoch, step)
                bar.update(rows)
        return float(loss_sum) / loader.total_rows

    def step(self, batch: Batch, global_rows: int, learning_rate_factor: float = 1.0) -> torch.Tensor:
        """Move the weights by the mean gradient of all ranks' rows; returns the mean logloss of these rows."""
        loss = self._backward(batch, global_rows)
        dense = [parameter.grad for parameter in self.dense if parameter.grad is not None]
        touched = self._exchange([*dense, loss], batch.lookups)
        if self._unscale([*dense, *(gradient_UD for _, gradient_UD in touched)]):
            self._update(touched, learning_rate_factor)
        return loss

    def _backward(self, batch: Batch, global_rows: int) -> torch.Tensor:
        """Leave the gradients of this rank's rows in the model; returns their part of the mean logloss."""
        with autocast(self.precision, self.ranks.device):
            logits = self.model(batch.lookups)
        loss = functional.binary_cross_entropy_with_logits(logits, batch.labels, reduction="sum") / global_rows
        self.adam.zero_grad(set_to_none=False)
        torch.autograd.backward(loss * self.scale.value)
        return loss.detach()

    def _exchange(self, shared: list[torch.Tensor], lookups: list[Lookup]) -> list[RowsOfTable]:
        """Sum what all ranks share; returns of each table the rows that any has read, with their gradients' sums.

        The same on each rank.
        """
        own = [
            (lookup.table_row_U, table.take_gradient())
            for table, lookup in zip(self.model.row_tables, lookups, strict=True)
        ]
        if self.ranks.world_size == 1:
            return [
                (row_U, gradient_UD if lookup.source_U is None else gradient_UD.index_select(0, lookup.source_U))
                for lookup, (row_U, gradient_UD) in zip(lookups, own, strict=True)
            ]
        equal_lengths = all(lookup.source_U is not None for lookup in lookups)
        of_ranks = self.ranks.exchange(shared, own, equal_lengths=equal_lengths)
        return [sum_equal_rows(rows, gradients) for rows, gradients in of_ranks]

    def _unscale(self, gradients: list[torch.Tensor]) -> bool:
        """Take the loss scale out of the gradients; False when one has overflowed, and no weight may move."""
        if self.scale.is_active:
            for gradient in gradients:
                gradient.div_(self.scale.value)
        return self.scale.accepts(gradients)

    def _update(self, touched: list[RowsOfTable], learning_rate_factor: float) -> None:
        """Move the dense weights, and of each table the rows that ``touched`` holds with their gradients."""
        for group in self.adam.param_groups:
            group["lr"] = self.config.learning_rate * learning_rate_factor
        self.adam.step()
        for optimizer, (row_U, gradient_UD) in zip(self.row_optimizers, touched, strict=True):
            optimizer.step(row_U, gradient_UD, self.config.embedding_learning_rate * learning_rate_factor)

    @torch.no_grad()
    def average_dense(self, before: dict[str, torch.Tensor]) -> None:
        """Move the dense layers and the bias half the way back to those of a model's state, ``before``.

        What all days share changes slowly, and one day alone measures it with an error.
        """
        for name, parameter in self.model.named_parameters():
            parameter.lerp_(before[name].to(parameter.device), 0.5)

    @torch.no_grad()
    def evaluate(self, loader: Loader, *, fit_intercept: bool = False) -> StreamingMetrics:
        """Logloss and AUC over all ranks' rows, dropout off, in the precision of training.

        ``fit_intercept`` moves the bias before, so that these rows are predicted as often to be clicked as they are.
        """
        self.model.eval()
        device = self.ranks.device
        logits, labels = [torch.zeros(0, dtype=torch.float64, device=device)], [torch.zeros(0, device=device)]
        with closing(self.batches.epoch(loader, 0)) as batches:
            for batch in batches:
                with autocast(self.precision, self.ranks.device):
                    logits.append(self.model(batch.lookups).double())
                labels.append(batch.labels)
        # Read at the end, all at once: a look at each batch would make the host wait for the device.
        z, y = (torch.cat(parts).cpu().numpy() for parts in (logits, labels))
        if fit_intercept:
            shift = fit_shift(z, y, self._sum)
            self.model.bias.add_(shift)
            z += shift
        metrics = StreamingMetrics()
        metrics.update(z, y)
        sums = self._sum(np.append(metrics.counts, metrics.loss_sum))
        metrics.counts, metrics.loss_sum = sums[:-1].reshape(2, -1), float(sums[-1])
        return metrics

    def _sum(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The sum over all ranks."""
        sums = torch.from_numpy(values).to(self.ranks.device)
        self.ranks.sum([sums])
        return sums.cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "adam": self.adam.state_dict(),
            "rows": [optimizer.state_dict() for optimizer in self.row_optimizers],
            "scale": [self.scale.value, self.scale.good_steps],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.adam.load_state_dict(state["adam"])
        for optimizer, saved in zip(self.row_optimizers, state["rows"], strict=True):
            optimizer.load_state_dict(saved)
        self.scale.value, self.scale.good_steps = state["scale"]

    def _check(self, loss_sum: torch.Tensor, epoch: int, step: int) -> None:
        if not math.isfinite(float(loss_sum)):
            raise DivergedError(
                f"the loss is {float(loss_sum)} by step {step + 1} of epoch {epoch}: nothing was committed. "
                "Lower learning_rate or embedding_learning_rate, or set precision to fp32"
            )

    @property
    def _bar_off(self) -> bool | None:
        """No bar but on rank 0's terminal (None: tqdm looks whether there is one)."""
        return None if self.ranks.is_zero else True
