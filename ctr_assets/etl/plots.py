"""Pictures of a day's tables: its profile, and how much of it the vocabulary knows."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ctr_assets.pictures import to_png
from ctr_assets.plain_text import in_picture

_SHOWN_VALUES = 12
_SHOWN_FEATURES = 6
_LABEL = 16
"""Characters of a value under its bar."""
_DPI = 80


def click_rate_plots(profile: pa.Table, columns: tuple[str, ...]) -> bytes:
    """PNG: for each column, bars of impressions and points of click rate over its most frequent values."""
    rows = -(-len(columns) // 2)
    figure = Figure(figsize=(9.6, 2.4 * rows))
    grid = figure.subplots(rows, 2, squeeze=False)
    # Fixed margins: the layout engines draw everything several times, and there is one picture a day.
    figure.subplots_adjust(left=0.07, right=0.93, top=0.96, bottom=0.1, wspace=0.36, hspace=0.75)
    for axes, column in zip(grid.flat, columns, strict=False):
        _click_rate(axes, column, profile.filter(pc.equal(profile["column"], column)).to_pylist())
    return to_png(figure, dpi=_DPI)


def _click_rate(axes: Any, column: str, rows: list[dict[str, Any]]) -> None:
    by_hour = column == "hour_of_day"
    rows = sorted(rows, key=lambda row: row["value"]) if by_hour else rows[:_SHOWN_VALUES]
    positions = range(len(rows))
    axes.bar(positions, [row["rows"] for row in rows], color="#c6d4e8")
    labels = [in_picture(row["value"], _LABEL) for row in rows]
    axes.set_xticks(positions, labels, rotation=90 if by_hour else 45, fontsize=7)
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
    return to_png(figure, dpi=_DPI)


def unknown_share_plot(shares: dict[str, dict[str, float]]) -> bytes:
    """PNG: share of rows with an unknown value over the days, day -> feature -> share, days ascending.

    The features that the last day knows least, and the mean of all.
    """
    days, last = list(shares), list(shares.values())[-1]
    figure = Figure(figsize=(6.4, 3.4))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.72, top=0.96, bottom=0.14)
    for name in sorted(last, key=lambda name: -last[name])[:_SHOWN_FEATURES]:
        axes.plot(days, [shares[day][name] for day in days], "o-", markersize=3, linewidth=1, label=name)
    means = [sum(of_day.values()) / len(of_day) for of_day in shares.values()]
    axes.plot(days, means, "o--", color="black", markersize=3, linewidth=1, label="mean of all")
    axes.set_ylabel("rows with an unknown value", fontsize=8)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xticks(range(len(days)), [day[5:] for day in days])
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return to_png(figure, dpi=_DPI)
