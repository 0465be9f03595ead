"""Trains the Wide & Deep model of one day on its trailing window, commits it, and reports how well it did."""

import io
from typing import Any

from pydantic import BaseModel, Field

from ctr_assets.jobs.report import Report, path, picture
from ctr_assets.storage import Store
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.train import EpochMetrics, TrainedModel, train


class Params(BaseModel):
    """What the job is told."""

    store_url: str = Field(description="Root of the store: a folder or gs://bucket/prefix")
    day: str = Field(description="Partition of the model, YYYY-MM-DD")
    window: list[str] = Field(description="Days to learn from, oldest first; the last is the model's day")
    training: TrainingConfig = TrainingConfig()
    created_by: dict[str, str] = {}
    code_version: str = ""


def run(params: Params, report: Report) -> None:
    """Train on every rank; rank 0's report tells each epoch as it ends, and at last the committed model."""
    store = Store(params.store_url)
    trained = train(
        store,
        params.day,
        params.window,
        params.training,
        log=report.log,
        code_version=params.code_version,
        created_by=params.created_by,
    )
    report.partition(params.day, metadata(store, trained))


def metadata(store: Store, trained: TrainedModel) -> dict[str, Any]:
    """What the asset shows for a model. Loglosses are nats a row; ``validation_auc`` is left out when undefined."""
    best, manifest = trained.best, trained.manifest
    return {
        "dagster/row_count": trained.train_rows,
        "train_logloss": best.train_logloss,
        "validation_logloss": best.validation_logloss,
        **({} if best.validation_auc is None else {"validation_auc": best.validation_auc}),
        "best_epoch": best.epoch,
        "epochs": len(trained.curve),
        "seconds": trained.seconds,
        "rows_per_second": trained.rows_per_second,
        "parameters": trained.parameters,
        "device": trained.device,
        "version": manifest.version,
        "path": path(store.path(WIDE_DEEP_MODEL, manifest.partition, manifest.version)),
        "training_curve": picture(training_curve(trained.curve), "Logloss by epoch"),
    }


def training_curve(curve: list[EpochMetrics]) -> bytes:
    """A PNG of training and validation logloss by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = [metrics.epoch for metrics in curve]
    axes.plot(epochs, [metrics.train_logloss for metrics in curve], marker="o", label="training")
    axes.plot(epochs, [metrics.validation_logloss for metrics in curve], marker="o", label="validation")
    best = min(curve, key=lambda metrics: metrics.validation_logloss)
    axes.axvline(best.epoch, color="grey", linestyle=":", label=f"kept: epoch {best.epoch}")
    axes.set(xlabel="epoch", ylabel="logloss (nats a row)", xticks=epochs)
    axes.legend()
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return png.getvalue()
