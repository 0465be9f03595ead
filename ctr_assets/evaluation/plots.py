"""Pictures of assessments: one picture for each kind of curve, all models in it. PNG bytes, 640 pixels wide."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ctr_assets.evaluation.metrics import HISTOGRAM_EDGES, Assessment
from ctr_assets.pictures import to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH: Final = 100
_SIZE_INCHES: Final = (6.4, 4.8)
_AXES_BOX: Final = (0.11, 0.11, 0.86, 0.77)
"""Left, bottom, width, height in shares of the picture. Fixed: a layout engine draws everything twice."""
_BELOW_SMALLEST_EDGE: Final = 10**-4.07
"""Where the bar of all smaller probabilities starts: a logarithmic axis has no zero."""
_COLOURS: Final = ("#1f77b4", "#d95f02", "#9467bd", "#7a7a7a", "#2ca02c")

Assessments = Mapping[str, Assessment]
"""By model name; all of the same rows."""


def colours_of(models: Collection[str]) -> dict[str, str]:
    """The colour of each model in every picture of these models."""
    return dict(zip(models, _COLOURS * len(models), strict=False))


def draw_all(assessments: Assessments, rows_of: str) -> dict[str, bytes]:
    """Every picture by its name: ``roc``, ``precision_recall``, ``reliability``, ``score_distribution``."""
    return {
        "roc": roc(assessments, rows_of),
        "precision_recall": precision_recall(assessments, rows_of),
        "reliability": reliability(assessments, rows_of),
        "score_distribution": score_distribution(assessments, rows_of),
    }


def roc(assessments: Assessments, rows_of: str) -> bytes:
    """True positive rate over false positive rate; the area in the legend."""

    def draw(axes: "Axes") -> None:
        for colour, (model, assessment) in _coloured(assessments):
            if assessment.roc is not None:
                axes.plot(*assessment.roc.T, color=colour, label=f"{model}: AUC {assessment.metrics.roc_auc:.4f}")
        axes.plot([0, 1], [0, 1], color="lightgrey", linestyle=":", zorder=0)
        axes.set(xlabel="False positive rate", ylabel="True positive rate", xlim=(0, 1), ylim=(0, 1))

    return _picture(f"ROC, {rows_of}", assessments, draw, legend="lower right")


def precision_recall(assessments: Assessments, rows_of: str) -> bytes:
    """Precision over recall; the average precision in the legend."""

    def draw(axes: "Axes") -> None:
        for colour, (model, assessment) in _coloured(assessments):
            points = assessment.precision_recall
            if points is not None:
                label = f"{model}: average precision {assessment.metrics.pr_auc:.4f}"
                # From recall 0 at the first threshold's precision: a constant prediction then is a line, not a dot.
                axes.plot([0, *points[:, 0]], [points[0, 1], *points[:, 1]], color=colour, label=label)
        axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1), ylim=(0, 1))

    return _picture(f"Precision and recall, {rows_of}", assessments, draw, legend="upper right")


def reliability(assessments: Assessments, rows_of: str) -> bytes:
    """Click-through rate over mean prediction of each calibration bin, on logarithmic axes; the diagonal is best."""
    from matplotlib.ticker import LogLocator

    def draw(axes: "Axes") -> None:
        seen = [assessment.reliability[:, :2] for _, assessment in assessments.items()]
        positive = np.concatenate([points[points > 0] for points in seen] or [np.zeros(0)])
        low, high = (positive.min() / 1.3, min(1.0, positive.max() * 1.3)) if positive.size else (1e-3, 1.0)
        axes.plot([low, high], [low, high], color="lightgrey", linestyle=":", zorder=0)
        for colour, (model, assessment) in _coloured(assessments):
            error = assessment.metrics.expected_calibration_error
            if error is not None:
                label = f"{model}: calibration error {error:.4f}"
                axes.plot(*assessment.reliability[:, :2].T, color=colour, marker="o", markersize=4, label=label)
        axes.set(xlabel="Mean prediction", ylabel="Click-through rate", xscale="log", yscale="log")
        axes.set(xlim=(low, high), ylim=(low, high))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")

    return _picture(f"Reliability (15 bins of equal mass), {rows_of}", assessments, draw, legend="upper left")


def score_distribution(assessments: Assessments, rows_of: str) -> bytes:
    """Share of the rows at each predicted probability, on a logarithmic axis; the first bar holds all below 0.0001."""

    def draw(axes: "Axes") -> None:
        edges = np.concatenate([[_BELOW_SMALLEST_EDGE], HISTOGRAM_EDGES[1:]])
        highest = 0.0
        for colour, (model, assessment) in _coloured(assessments):
            if not assessment.metrics.rows:
                continue
            shares = assessment.histogram / assessment.metrics.rows
            mean = np.average(assessment.reliability[:, 0], weights=assessment.reliability[:, 2])
            axes.stairs(shares, edges, color=colour, label=f"{model}: mean {mean:.4f}")
            if len(assessment.reliability) > 1:  # a constant's single spike would flatten the others
                highest = max(highest, shares.max())
        axes.set(xlabel="Predicted click probability", ylabel="Share of rows", xscale="log", xlim=(edges[0], 1))
        axes.set_ylim(0, 1.15 * highest or 1.0)

    return _picture(f"Predicted probabilities, {rows_of}", assessments, draw, legend="upper left")


def _coloured(assessments: Assessments) -> Any:
    return zip(colours_of(assessments).values(), assessments.items(), strict=True)


def _picture(title: str, assessments: Assessments, draw: Any, legend: Any) -> bytes:
    # A Figure of its own, not pyplot: pyplot keeps every figure alive and shares its state between threads.
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=PIXELS_PER_INCH)
    axes = figure.add_axes(_AXES_BOX)
    draw(axes)
    metrics = next(iter(assessments.values())).metrics
    axes.set_title(f"{title}\n{metrics.rows:,} rows, {metrics.clicks:,} clicks", fontsize=11)
    axes.grid(color="#eeeeee")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=legend, fontsize=9)
    else:
        axes.text(0.5, 0.5, "not defined for these rows", ha="center", transform=axes.transAxes)
    return to_png(figure)
