"""Pictures of a report that are not of one assessment: segments, importances, how the training went. PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ctr_assets.evaluation.importance import Importance
from ctr_assets.evaluation.plots import PIXELS_PER_INCH
from ctr_assets.evaluation.segments import Segment
from ctr_assets.features import FEATURE_BY_NAME, HOUR_OF_DAY
from ctr_assets.pictures import to_png
from ctr_assets.plain_text import in_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDEST_RATIO: Final = 3.0
"""Ratios beyond 3 or below 1/3 are drawn at the edge: a segment of a dozen rows would flatten all others."""
_NORMAL_QUANTILE: Final = 1.96
_FIELD_COLOUR, _CROSS_COLOUR = "#1f77b4", "#9467bd"


def calibration_by_segment(segments: Sequence[Segment], colours: Mapping[str, str]) -> bytes:
    """Calibration ratio by segment of each model that has a colour; hours as lines, the other segments as dots.

    A segment without clicks has none. The first model has 95 % intervals, the clicks taken as a Poisson count.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.8, 4.8), dpi=PIXELS_PER_INCH, layout="constrained")
    dots, hours = figure.subplots(1, 2)
    others = [each for each in segments if each.segmentation != HOUR_OF_DAY and each.clicks]
    _draw(dots, others, colours, vertical=True)
    dots.set_yticks(range(len(others)), [in_picture(f"{each.segmentation} {each.name}") for each in others], fontsize=9)
    dots.invert_yaxis()
    dots.set(xscale="log", xlabel="Calibration ratio", title="Traffic, device and banner")
    by_hour = [each for each in segments if each.segmentation == HOUR_OF_DAY and each.clicks]
    _draw(hours, by_hour, colours, vertical=False)
    hours.set_xticks(range(len(by_hour)), [in_picture(each.name) for each in by_hour], fontsize=8)
    hours.set(yscale="log", xlabel="Hour of the day, UTC", ylabel="Calibration ratio", title="Hour of the day")
    for axis in (dots.xaxis, hours.yaxis):
        axis.set_major_locator(_ticks())
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    handles, labels = hours.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9, frameon=False)
    return to_png(figure)


def training_curve(curve: Sequence[Mapping[str, Any]]) -> bytes:
    """Training and validation logloss by epoch; ``curve`` is that of the model card."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=PIXELS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    epochs = [metrics["epoch"] for metrics in curve]
    axes.plot(epochs, [metrics["train_logloss"] for metrics in curve], marker="o", label="training")
    axes.plot(epochs, [metrics["validation_logloss"] for metrics in curve], marker="o", label="validation")
    best = min(curve, key=lambda metrics: float(metrics["validation_logloss"]))
    axes.axvline(best["epoch"], color="grey", linestyle=":", label=f"kept: epoch {best['epoch']}")
    axes.set(xlabel="Epoch", ylabel="Logloss (nats a row)", xticks=epochs, title="Logloss by epoch")
    axes.grid(color="#eeeeee")
    axes.legend()
    return to_png(figure)


def feature_importances(importances: Sequence[Importance], rows: int) -> bytes:
    """Increase of the logloss by feature as bars with 95 % intervals, in the order given, the first on top.

    Needs at least one feature; beside each bar stands the increase with its standard error.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.8, 1.2 + 0.25 * len(importances)), dpi=PIXELS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    errors = np.array([_NORMAL_QUANTILE * each.standard_error for each in importances])
    is_cross = np.array([FEATURE_BY_NAME[each.feature].is_cross for each in importances], dtype=bool)
    positions, increases = np.arange(len(importances)), np.array([each.increase for each in importances])
    for kind, colour, of in (("column", _FIELD_COLOUR, ~is_cross), ("cross", _CROSS_COLOUR, is_cross)):
        if of.any():
            axes.barh(positions[of], increases[of], color=colour, label=kind)
    axes.errorbar(increases, positions, xerr=errors, fmt="none", ecolor="#333333", capsize=2, linewidth=1)
    ends = np.maximum(0, increases + errors)
    for position, each, end in zip(positions, importances, ends, strict=True):
        text = f"{each.increase:z.5f} ± {each.standard_error:.5f}"
        beside: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
        axes.annotate(text, (end, position), color="#555555", **beside)
    axes.set_yticks(positions, [in_picture(each.feature) for each in importances], fontsize=9)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlim(1.1 * min(0.0, (increases - errors).min()), 1.15 * ends.max() or 1e-6)
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_xlabel("Increase of the logloss when the feature is shuffled (nats a row); lines: 95 % intervals")
    axes.set_title(f"Permutation importance, {rows:,} test rows", fontsize=11)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=9)
    return to_png(figure)


def _draw(axes: "Axes", segments: Sequence[Segment], colours: Mapping[str, str], *, vertical: bool) -> None:
    (axes.axvline if vertical else axes.axhline)(1, color="grey", linestyle=":", zorder=0)
    for index, (model, colour) in enumerate(colours.items()):
        positions = np.arange(len(segments))
        ratios = np.array([each.metrics[model].calibration_ratio for each in segments], dtype=float)
        clicks = np.array([each.clicks for each in segments])
        drawn = np.clip(ratios, 1 / _WIDEST_RATIO, _WIDEST_RATIO)
        style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 4 if index else 6, "label": model}
        if vertical:
            style["linestyle"] = ""
        axes.plot(*((drawn, positions) if vertical else (positions, drawn)), **style)
        if index == 0:
            factor = np.exp(_NORMAL_QUANTILE / np.sqrt(clicks))
            ends = [np.clip(edge, 1 / _WIDEST_RATIO, _WIDEST_RATIO) for edge in (ratios / factor, ratios * factor)]
            (axes.hlines if vertical else axes.vlines)(positions, *ends, color=colour, alpha=0.35, linewidth=4)
    axes.grid(color="#eeeeee")


def _ticks() -> Any:
    from matplotlib.ticker import FixedLocator

    return FixedLocator([0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5])
