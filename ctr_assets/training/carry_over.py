"""From one day's training to the next one's: the optimizers' state as named tensors, and tables that have grown."""

from typing import Any

import torch

from ctr_assets.training.layout import Layout
from ctr_assets.training.trainer import Trainer

Tensors = dict[str, torch.Tensor]


def optimizer_tensors(state: dict[str, Any]) -> Tensors:
    """The optimizers' part of a trainer's state, flat: what a file of tensors can hold."""
    adam = {
        f"adam.{position}.{name}": tensor
        for position, moments in state["adam"]["state"].items()
        for name, tensor in moments.items()
    }
    rows = {
        f"rows.{table}.{name}": tensor
        for table, of_table in enumerate(state["rows"])
        for name, tensor in of_table.items()
    }
    return {**adam, **rows}


def go_on(trainer: Trainer, weights: Tensors, optimizers: Tensors, before: Layout) -> None:
    """Bring a fresh trainer to the state after an earlier training of a model with the layout ``before``.

    Rows of ids that came since stay as they are: those of a fresh model. Raises KeyError or RuntimeError where the
    tensors are not those of such a model.
    """
    state, after = trainer.state_dict(), trainer.model.layout
    for name, fresh in state["model"].items():
        table = next((k for k, _ in enumerate(after.tables) if name == f"tables.{k}.weight"), None)
        state["model"][name] = weights[name] if table is None else _grown(weights[name], before, fresh, after, table)
    state["adam"]["state"] = {
        position: {name: optimizers[f"adam.{position}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
        for position, _ in enumerate(trainer.dense)
    }
    for table, of_table in enumerate(state["rows"]):
        for name, fresh in of_table.items():
            old = optimizers[f"rows.{table}.{name}"]
            of_table[name] = old if not fresh.dim() else _grown(old, before, fresh, after, table)
    trainer.load_state_dict(state)


def _grown(old: torch.Tensor, before: Layout, fresh: torch.Tensor, after: Layout, table: int) -> torch.Tensor:
    """``fresh`` (rows of the table, ...) with each feature's rows of known ids from ``old``."""
    grown, first = fresh.clone(), after.tables[table].first
    for feature in range(first, after.tables[table].end):
        begin_old, begin = (
            before.offsets[feature] - before.offsets[first],
            after.offsets[feature] - after.offsets[first],
        )
        rows = before.sizes[feature] + 1
        grown[begin : begin + rows] = old[begin_old : begin_old + rows].to(grown.device)
    return grown
