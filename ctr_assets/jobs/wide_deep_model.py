"""Trains the Wide & Deep model of one day, commits it, and reports where it began and how well it did."""

from dataclasses import asdict
from typing import Any

from pydantic import Field

from ctr_assets.evaluation.report_plots import training_curve
from ctr_assets.jobs.parameters import WindowParams
from ctr_assets.jobs.report import Report, path, picture
from ctr_assets.storage import Store
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.train import TrainedModel, train


class Params(WindowParams):
    """What the job is told."""

    training: TrainingConfig = TrainingConfig()
    fresh_every_days: int = Field(default=0, ge=0, description="Days after which it starts from scratch; 0: never")
    why: str = Field(default="", description="Why the run was asked for, kept where that asks for a start from scratch")


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
        fresh_every_days=params.fresh_every_days,
        why=params.why,
        created_by=params.created_by,
    )
    report.partition(params.day, metadata(store, trained))


def metadata(store: Store, trained: TrainedModel) -> dict[str, Any]:
    """What the asset shows for a model. Loglosses are nats a row; ``validation_auc`` is left out when undefined."""
    best, manifest = trained.best, trained.manifest
    start = manifest.properties["start"]
    previous = start["previous"]
    return {
        "start": start["kind"],
        "start_reason": start["reason"],
        "validation_logloss": best.validation_logloss,
        **({} if best.validation_auc is None else {"validation_auc": best.validation_auc}),
        "train_logloss": best.train_logloss,
        "training_curve": picture(training_curve([asdict(epoch) for epoch in trained.curve]), "Logloss by epoch"),
        **({"continued_from": previous["version"]} if previous else {}),
        "continued_days": start["continued_days"],
        "learnt_days": len(manifest.properties["learnt"]),
        "best_epoch": best.epoch,
        "epochs": len(trained.curve),
        "dagster/row_count": trained.train_rows,
        "seconds": trained.seconds,
        "rows_per_second": trained.rows_per_second,
        "parameters": trained.parameters,
        "nonfinite_weights": manifest.properties["nonfinite_weights"],
        "device": trained.device,
        "version": manifest.version,
        "path": path(store.path(WIDE_DEEP_MODEL, manifest.partition, manifest.version)),
    }
