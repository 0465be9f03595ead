"""The tables of a report: figures of several models side by side, as cells that say whose is better."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ctr_assets.evaluation.comparison import STANDARD_ERRORS
from ctr_assets.evaluation.document import Cell, Table, Tone
from ctr_assets.evaluation.metrics import Metrics
from ctr_assets.evaluation.scored import CONSTANT, WIDE_DEEP
from ctr_assets.evaluation.scored import NAMES as MODEL_NAMES
from ctr_assets.evaluation.segments import Segment
from ctr_assets.evaluation.uncertainty import Estimate
from ctr_assets.plain_text import visible

CHALLENGER: Final = "challenger"
CHAMPION: Final = "champion"
BEST_REACHABLE: Final = "best reachable"
NAMES: Final = {**MODEL_NAMES, WIDE_DEEP: CHALLENGER}
"""What a report calls the evaluated models."""

_COMPARED: Final = {
    "logloss": "logloss",
    "roc_auc": "ROC AUC",
    "normalized_entropy": "normalized entropy",
    "pr_auc": "PR AUC",
    "calibration_ratio": "calibration ratio",
    "expected_calibration_error": "calibration error",
}
_LESS_IS_BETTER: Final = ("logloss", "normalized_entropy", "expected_calibration_error")


def with_error(estimate: Estimate) -> str:
    """A figure and its standard error, where it has one."""
    return f"{estimate.value:.4f}" + (f" ± {estimate.standard_error:.4f}" if estimate.standard_error else "")


def behind(difference: Estimate, challenger: float) -> Cell:
    """By how much another model's logloss is more than the challenger's; its tone is the challenger's."""
    tone: Tone = ""
    if difference.standard_error is not None and abs(difference.value) > STANDARD_ERRORS * difference.standard_error:
        tone = "better" if difference.value > 0 else "worse"
    relative = f" ({difference.value / challenger:+.2%})" if challenger else ""
    error = "" if difference.standard_error is None else f" ± {difference.standard_error:.4f}"
    return Cell(f"{difference.value:+.4f}{error}{relative}", tone)


def figures_table(metrics: Mapping[str, Metrics], caption: str = "") -> Table:
    """One line a model."""
    lines = (
        (Cell(model), *(Cell(number(getattr(each, name))) for name in _COMPARED)) for model, each in metrics.items()
    )
    return Table(("model", *_COMPARED.values()), tuple(lines), caption=caption)


def differences_table(metrics: Mapping[str, Metrics], challenger: str) -> Table:
    """The challenger minus each other model."""
    lines = (
        (Cell(f"minus {model}"), *(difference(name, metrics[challenger], each) for name in _COMPARED))
        for model, each in metrics.items()
        if model != challenger
    )
    return Table(("challenger", *_COMPARED.values()), tuple(lines), caption="Differences; the logloss also in percent")


def difference(name: str, ours: Metrics, theirs: Metrics) -> Cell:
    """Our figure minus theirs; its tone says whose is better. A calibration ratio is better when it is nearer to 1."""
    a, b = getattr(ours, name), getattr(theirs, name)
    if a is None or b is None:
        return Cell("–")
    gain = abs(b - 1) - abs(a - 1) if name == "calibration_ratio" else b - a if name in _LESS_IS_BETTER else a - b
    text = f"{a - b:+.4f}" + (f" ({a / b - 1:+.2%})" if name == "logloss" else "")
    return Cell(text, "" if gain == 0 else "better" if gain > 0 else "worse")


def segment_models(models: Iterable[str]) -> list[str]:
    """The models that are told by segment: a constant rate tells nothing there that the click rate does not."""
    return [model for model in models if model != NAMES[CONSTANT]]


def segment_table(segments: Sequence[Segment], models: Sequence[str], caption: str = "") -> Table:
    """One line a segment: its rows, and of each model calibration ratio, logloss and ROC AUC.

    Without a ``caption`` the first column names the segmentation.
    """
    largest = max((each.rows for each in segments), default=1)
    lines = []
    for each in segments:
        cells = [] if caption else [Cell(each.segmentation)]
        cells += [Cell(visible(each.name)), Cell(f"{each.rows:,}", share=each.rows / largest)]
        cells += [Cell(f"{each.clicks:,}"), Cell(f"{each.click_rate:.4f}")]
        for model in models:
            of = each.metrics[model]
            cells += [Cell(number(figure)) for figure in (of.calibration_ratio, of.logloss, of.roc_auc)]
        lines.append(tuple(cells))
    names = ("segment",) if caption else ("segmentation", "segment")
    of_rows, of_model = (*names, "rows", "clicks", "click rate"), ("calibration", "logloss", "AUC")
    groups = (*("" for _ in of_rows), *(model for model in models for _ in of_model))
    columns = (*of_rows, *(of_model * len(models)))
    return Table(columns, tuple(lines), text_columns=len(names), caption=caption, groups=groups)


def number(value: float | None) -> str:
    """Four decimals; a dash where undefined."""
    return "–" if value is None else f"{value:.4f}"
