"""Pictures of a day's profile: what the exploration of the original study argues from."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

_SHOWN_VALUES = 12


def click_rate_plots(profile: pa.Table, columns: tuple[str, ...]) -> bytes:
    """PNG: for each column, bars of impressions and points of click rate over its most frequent values."""
    rows = -(-len(columns) // 2)
    figure = Figure(figsize=(9.6, 2.4 * rows))
    grid = figure.subplots(rows, 2, squeeze=False)
    # Fixed margins: the layout engines draw everything several times, and there is one picture a day.
    figure.subplots_adjust(left=0.07, right=0.93, top=0.96, bottom=0.1, wspace=0.36, hspace=0.75)
    for axes, column in zip(grid.flat, columns, strict=False):
        _click_rate(axes, column, profile.filter(pc.equal(profile["column"], column)).to_pylist())
    return _png(figure)


def _click_rate(axes: Any, column: str, rows: list[dict[str, Any]]) -> None:
    by_hour = column == "hour_of_day"
    rows = sorted(rows, key=lambda row: row["value"]) if by_hour else rows[:_SHOWN_VALUES]
    positions = range(len(rows))
    axes.bar(positions, [row["rows"] for row in rows], color="#c6d4e8")
    axes.set_xticks(positions, [row["value"] for row in rows], rotation=90 if by_hour else 45, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_ylabel("impressions", fontsize=8)
    axes.set_title(column, fontsize=9)
    rate = axes.twinx()
    rates = [row["clicks"] / row["labelled_rows"] if row["labelled_rows"] else float("nan") for row in rows]
    rate.plot(positions, rates, "o-" if by_hour else "o", color="#b3342d", markersize=3, linewidth=1)
    rate.set_ylabel("click rate", fontsize=8, color="#b3342d")
    rate.tick_params(axis="y", labelsize=7)
    rate.set_ylim(bottom=0)


def cardinality_plot(cardinality: dict[str, int]) -> bytes:
    """PNG: number of distinct values of every column, on a logarithmic axis."""
    ordered = sorted(cardinality.items(), key=lambda item: item[1])
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.22, right=0.9, top=0.98, bottom=0.12)
    bars = axes.barh([name for name, _ in ordered], [max(1, count) for _, count in ordered], color="#7c9cc4")
    axes.bar_label(bars, [f"{count:,}" for _, count in ordered], fontsize=7, padding=2)
    axes.set_xscale("log")
    axes.set_xlabel("distinct values")
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()
