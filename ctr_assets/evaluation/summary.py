"""Metrics of several models side by side, as a Markdown table."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from ctr_assets.evaluation.metrics import Metrics
from ctr_assets.plain_text import in_markdown, markdown_table

_FIGURES: Final = tuple(field.name for field in fields(Metrics) if field.name not in ("rows", "clicks", "notes"))


def comparison_table(metrics: Mapping[str, Mapping[str, Metrics]]) -> str:
    """One line for each model on each set of rows (``metrics[rows_of][model]``); a dash where a figure is undefined."""
    rows = []
    notes: dict[str, None] = {}
    for rows_of, of_models in metrics.items():
        for model, figures in of_models.items():
            numbers = figures.numbers()
            cells = (f"{numbers[name]:.4f}" if name in numbers else "–" for name in _FIGURES)
            rows.append((f"{rows_of} ({figures.rows:,})", model, *cells))
            notes |= dict.fromkeys(f"{rows_of}: {note}" for note in figures.notes)
    columns = ("rows", "model", *(name.replace("_", " ") for name in _FIGURES))
    return "\n\n".join([markdown_table(columns, rows, text_columns=2), *map(in_markdown, notes)])
