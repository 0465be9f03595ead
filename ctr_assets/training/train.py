"""Train the Wide & Deep model of a day, from committed tables to a committed model.

It goes on from the model of the day before, on the day's rows, or learns its whole window from scratch.
Killed at any moment, a re-run goes on from the last whole epoch and ends with the same weights.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ctr_assets.features import FEATURE_SELECTIONS
from ctr_assets.storage import Manifest, Store, UnreadableError, fingerprint
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.card import build_card, model_of_card
from ctr_assets.training.carry_over import go_on, optimizer_tensors
from ctr_assets.training.checkpoint import Checkpoints
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.distributed import Ranks, joined_ranks
from ctr_assets.training.layout import build_layout
from ctr_assets.training.metrics import StreamingMetrics
from ctr_assets.training.model import WideDeep
from ctr_assets.training.publish import OPTIMIZER_NAME, WEIGHTS_NAME, publish, read_card, read_tensors
from ctr_assets.training.splits import click_rate, open_training_rows, open_validation_rows
from ctr_assets.training.start import FORMAT, Start, find_start
from ctr_assets.training.trainer import Trainer
from ctr_assets.training.window import Window, resolve_window


class OvertakenError(RuntimeError):
    """Another training of the same inputs and settings committed its model and took this one's checkpoints away."""


@dataclass(frozen=True)
class EpochMetrics:
    """How one epoch went. Loglosses are nats a row; ``train_logloss`` is of the rows as they were met, with dropout."""

    epoch: int
    train_logloss: float
    validation_logloss: float
    validation_auc: float | None


@dataclass(frozen=True)
class TrainedModel:
    """A committed model and how it came about."""

    manifest: Manifest
    curve: list[EpochMetrics]
    best: EpochMetrics
    train_rows: int
    parameters: int
    device: str
    seconds: float
    rows_per_second: float
    """Training rows a second over this process's epochs, evaluation left out; 0 when every epoch was resumed."""


def train(
    store: Store,
    day: str,
    days: list[str],
    config: TrainingConfig,
    *,
    log: Callable[[str], None],
    code_version: str = "",
    fresh_every_days: int = 0,
    why: str = "",
    created_by: dict[str, str] | None = None,
) -> TrainedModel:
    """Train, keep the best epoch, and commit it as ``wide_deep_model[day]``.

    ``days`` is the window, which a model from scratch learns; ``fresh_every_days`` and ``why`` as in
    :func:`~ctr_assets.training.start.find_start`. Every rank calls this; rank 0 alone writes. Raises WindowError,
    :class:`~ctr_assets.training.splits.NoTrainingRowsError` or DivergedError before anything is committed.
    """
    with joined_ranks(config.device) as ranks:
        # One rank resolves the window: a day committed anew between two ranks' looks would give them different rows.
        def begin() -> tuple[Start, Window]:
            start = find_start(
                store, days, config, code_version=code_version, fresh_every_days=fresh_every_days, why=why
            )
            return start, resolve_window(store, day, days if start.previous is None else days[-1:])

        start, window = ranks.from_rank_zero(begin)
        return _Training(store, start, window, config, ranks, log, code_version).run(created_by or {})


class _Training:
    def __init__(
        self,
        store: Store,
        start: Start,
        window: Window,
        config: TrainingConfig,
        ranks: Ranks,
        log: Callable[[str], None],
        code_version: str,
    ) -> None:
        self.store, self.start, self.window = store, start, window
        self.config, self.ranks, self.log = config, ranks, log
        self.started = time.monotonic()
        self.layout = build_layout(FEATURE_SELECTIONS[config.preset], window.vocabulary_sizes)
        columns = [*self.layout.features, "label"]
        self.train_loader = open_training_rows(store, window, columns, config, ranks)
        self.validation_loader = open_validation_rows(store, window, columns, ranks)
        base_rate = ranks.from_rank_zero(lambda: click_rate(self.train_loader))
        model = WideDeep(
            self.layout, config.hidden, wide_dropout=config.wide_dropout, base_rate=base_rate, seed=config.seed
        )
        self.trainer = Trainer(model, config, ranks)
        self.dense_before: dict[str, torch.Tensor] = {}
        before = self._go_on()
        self.parameters = sum(tensor.numel() for tensor in self.trainer.model.state_dict().values())
        self.card = build_card(
            start,
            window,
            config,
            self.layout,
            base_rate=base_rate,
            train_rows=self.train_loader.total_rows,
            batch_rows=self.train_loader.global_batch_rows(0),
            earlier_days=before.get("days", {}),
            parameters=self.parameters,
            code_version=code_version,
        )
        self.checkpoints = Checkpoints(store, WIDE_DEEP_MODEL, window.day, self._fingerprint())
        self.curve: list[EpochMetrics] = []
        self.train_seconds = 0.0
        self.trained_epochs = 0

    def run(self, created_by: dict[str, str]) -> TrainedModel:
        self._resume()
        while not self._is_finished():
            self._run_epoch(len(self.curve) + 1)
        manifest = self.ranks.from_rank_zero(lambda: self._commit(created_by))
        rows = self.train_loader.total_rows
        return TrainedModel(
            manifest=manifest,
            curve=self.curve,
            best=self.best,
            train_rows=rows,
            parameters=self.parameters,
            device=str(self.ranks.device),
            seconds=time.monotonic() - self.started,
            rows_per_second=rows * self.trained_epochs / self.train_seconds if self.trained_epochs else 0.0,
        )

    @property
    def best(self) -> EpochMetrics:
        return _best(self.curve)

    def _is_finished(self) -> bool:
        if not self.curve:
            return False
        if self.start.previous is not None:
            return True  # a second pass over the new day's rows makes the next day's predictions worse
        return len(self.curve) >= self.config.epochs or len(self.curve) - self.best.epoch >= self.config.patience

    def _run_epoch(self, epoch: int) -> None:
        began = time.monotonic()
        train_logloss = self.trainer.train_epoch(self.train_loader, epoch)
        seconds = time.monotonic() - began
        self.train_seconds += seconds
        self.trained_epochs += 1
        validation = self._evaluate()
        metrics = EpochMetrics(epoch, train_logloss, validation.logloss, validation.auc)
        self.curve.append(metrics)
        if self.ranks.is_zero:
            curve = [asdict(metrics) for metrics in self.curve]
            self.checkpoints.save(epoch, {"curve": curve, "trainer": self.trainer.state_dict()})
            self.checkpoints.keep_only(epoch, self.best.epoch)
        self.log(f"{_line(metrics)}, {self.train_loader.total_rows / seconds:,.0f} rows/s")

    def _evaluate(self) -> StreamingMetrics:
        """The validation metrics of what an epoch leaves. A model that goes on takes half of the day's dense change."""
        validation = self.trainer.evaluate(self.validation_loader, fit_intercept=self.config.fit_intercept)
        if self.start.previous is None:
            return validation
        # After the intercept: the level of one day is no better a guess of the next day's than what was before it.
        self.trainer.average_dense(self.dense_before)
        return self.trainer.evaluate(self.validation_loader)

    def _resume(self) -> None:
        """Go on from the newest checkpoint that every rank can read, and whose best epoch can be read too."""
        for epoch in reversed(self.ranks.from_rank_zero(self.checkpoints.epochs)):
            state = self._load(epoch)
            if self.ranks.all(state is not None) and state is not None:
                self.trainer.load_state_dict(state["trainer"])
                self.curve = [EpochMetrics(**metrics) for metrics in state["curve"]]
                self.log(f"resumed after epoch {epoch} of an interrupted run: {_line(self.curve[-1])}")
                return

    def _load(self, epoch: int) -> dict[str, Any] | None:
        """The state after an epoch, if training can go on from it. Rank 0 sets a damaged one aside and says so."""
        try:
            state = self.checkpoints.load(epoch)
            best = _best([EpochMetrics(**metrics) for metrics in state["curve"]]).epoch
        except UnreadableError as e:
            became = "set aside" if self.ranks.is_zero and self.checkpoints.set_aside(epoch) else "gone"
            self.log(f"warning: the checkpoint of epoch {epoch} is {became}, training goes on from one before: {e}")
            return None
        # Weights of an epoch that cannot be read could not be committed, were it the best to the end.
        return state if best == epoch or self._load(best) is not None else None

    def _best_state(self) -> dict[str, Any]:
        """The trainer's state after the best epoch."""
        if self.best.epoch == len(self.curve):
            return self.trainer.state_dict()
        try:
            state: dict[str, Any] = self.checkpoints.load(self.best.epoch)["trainer"]
        except UnreadableError as e:
            committed = self.store.find(WIDE_DEEP_MODEL, self.window.day)
            if committed is None or not isinstance(e.__cause__, FileNotFoundError):
                raise
            self.checkpoints.remove()  # of no use without the best
            raise OvertakenError(
                f"the checkpoint of epoch {self.best.epoch}, the best, is gone: another training of {self.window.day} "
                f"with the same settings has ended and deleted it. {WIDE_DEEP_MODEL}[{self.window.day}] is version "
                f"{committed.version} now; if that is of other settings, run this training again"
            ) from e
        return state

    def _commit(self, created_by: dict[str, str]) -> Manifest:
        state = self._best_state()
        metrics = {"best_epoch": self.best.epoch, "epochs": len(self.curve), **asdict(self.best)}
        del metrics["epoch"]
        card = {**self.card, "metrics": metrics, "curve": [asdict(epoch) for epoch in self.curve]}
        measured = {"device": str(self.ranks.device), "seconds": round(time.monotonic() - self.started, 3)}
        tensors = {WEIGHTS_NAME: state["model"], OPTIMIZER_NAME: optimizer_tensors(state)}
        manifest = publish(self.store, self.start, self.window, card, tensors, created_by, measured)
        self.checkpoints.remove()
        return manifest

    def _go_on(self) -> dict[str, Any]:
        """Bring the trainer to where the day before ended, if that is where it begins; returns that model's card."""
        previous = self.start.previous
        if previous is None:
            self.log(f"from scratch on {len(self.window.days)} days: {self.start.reason}")
            return {}
        card = read_card(self.store, previous)
        weights, optimizers = (read_tensors(self.store, previous, name) for name in (WEIGHTS_NAME, OPTIMIZER_NAME))
        with self.store.reading(previous, self.store.file(previous, OPTIMIZER_NAME), KeyError, RuntimeError):
            go_on(self.trainer, weights, optimizers, model_of_card(card).layout)
        self.log(f"going on from {WIDE_DEEP_MODEL}[{previous.partition}], version {previous.version}")
        self.dense_before = {name: weights[name] for name, _ in self.trainer.model.named_parameters()}
        return card

    def _fingerprint(self) -> str:
        """Of all that decides the final weights."""
        return fingerprint(
            {
                "format": FORMAT,
                "start": self.start.previous and self.start.previous.content_fingerprint,
                "inputs": [manifest.content_fingerprint for manifest in self.window.encoded],
                "vocabulary": [self.window.vocabulary_fingerprint, self.window.vocabulary_sizes],
                "config": self.config.model_dump(),
                "code": [self.card["code_version"], self.card["libraries"]["torch"]],
                "device": [self.ranks.device.type, str(self.trainer.precision), self.ranks.world_size],
                "order": self.trainer.batches.order_of(self.train_loader),
            }
        )


def _best(curve: list[EpochMetrics]) -> EpochMetrics:
    return min(curve, key=lambda epoch: epoch.validation_logloss)


def _line(metrics: EpochMetrics) -> str:
    auc = "undefined" if metrics.validation_auc is None else f"{metrics.validation_auc:.5f}"
    return (
        f"epoch {metrics.epoch}: train logloss {metrics.train_logloss:.5f}, "
        f"validation logloss {metrics.validation_logloss:.5f}, AUC {auc}"
    )
