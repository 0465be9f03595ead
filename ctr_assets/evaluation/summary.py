"""Metrics of several models side by side, as a Markdown table."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from ctr_assets.evaluation.metrics import Metrics

_FIGURES: Final = tuple(field.name for field in fields(Metrics) if field.name not in ("rows", "clicks", "notes"))


def comparison_table(metrics: Mapping[str, Mapping[str, Metrics]]) -> str:
    """One line for each model on each set of rows (``metrics[rows_of][model]``); a dash where a figure is undefined."""
    lines = [
        f"| rows | model | {' | '.join(name.replace('_', ' ') for name in _FIGURES)} |",
        f"|---|---|{'---:|' * len(_FIGURES)}",
    ]
    notes: dict[str, None] = {}
    for rows_of, of_models in metrics.items():
        for model, figures in of_models.items():
            numbers = figures.numbers()
            cells = (f"{numbers[name]:.4f}" if name in numbers else "–" for name in _FIGURES)
            lines.append(f"| {rows_of} ({figures.rows:,}) | {model} | {' | '.join(cells)} |")
            notes |= dict.fromkeys(f"{rows_of}: {note}" for note in figures.notes)
    return "\n".join([*lines, *(f"\n{note}" for note in notes)])
