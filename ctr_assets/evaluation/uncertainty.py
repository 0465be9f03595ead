"""How far a figure may be off because these rows, and not others, were scored: its standard error.

Rows are taken as independent. Impressions of one device or hour resemble each other, so the truth is somewhat larger.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ctr_assets.evaluation.metrics import SMALLEST_PROBABILITY, Labels, Probabilities
from ctr_assets.evaluation.scored import RowsOf, read_scored
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import SCORED_IMPRESSIONS

LOGLOSS_ERROR: Final = "logloss_standard_error"
"""Name of the figure beside ``logloss``, nats a row."""


def row_loglosses(labels: Labels, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Logloss of each row in nats, shape ``(n,)``, clipped as in :mod:`~ctr_assets.evaluation.metrics`."""
    clipped = np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -np.log(np.where(labels == 1, clipped, 1 - clipped))


def logloss_error(labels: Labels, probabilities: Probabilities) -> float | None:
    """Standard error of a mean logloss, nats a row; None below two rows."""
    if len(labels) < 2:
        return None
    return float(row_loglosses(labels, probabilities).std(ddof=1)) / math.sqrt(len(labels))


def auc_error(figures: Mapping[str, Any]) -> float | None:
    """Standard error of the ROC AUC among a model's figures; None where it or the rows are not known.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic curve" (Radiology
    1982), with the probabilities of exponentially distributed scores; not for one and the same score of all rows.
    """
    auc, rows, clicks = (figures.get(name) for name in ("roc_auc", "rows", "clicks"))
    if auc is None or rows is None or clicks is None:
        return None
    others = rows - clicks
    clicked, not_clicked = auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2
    variance = (auc * (1 - auc) + (clicks - 1) * clicked + (others - 1) * not_clicked) / (clicks * others)
    return math.sqrt(max(0.0, variance))


def ratio_error(figures: Mapping[str, Any]) -> float | None:
    """Standard error of the calibration ratio among a model's figures, the clicks taken as a Poisson count."""
    ratio = figures.get("calibration_ratio")
    return None if ratio is None else float(ratio / math.sqrt(figures["clicks"]))


def figures_of(store: Store, evaluation: Manifest) -> dict[str, dict[str, dict[str, Any]]]:
    """The figures of an evaluation by set of rows and model, each logloss with its error under ``LOGLOSS_ERROR``.

    Without the errors where its scored rows have been replaced.
    """
    figures: dict[str, dict[str, dict[str, Any]]] = evaluation.properties["metrics"]
    scored = store.find(SCORED_IMPRESSIONS, evaluation.partition)
    if scored is None or evaluation.inputs.get(scored.reference) != scored.version:
        return figures
    with_errors: dict[str, dict[str, dict[str, Any]]] = {}
    for rows_of, of_models in figures.items():
        labels = read_scored(store, scored, RowsOf(rows_of), "label")
        errors = {
            model: logloss_error(labels, read_scored(store, scored, RowsOf(rows_of), model)) for model in of_models
        }
        with_errors[rows_of] = {model: {**of, LOGLOSS_ERROR: errors[model]} for model, of in of_models.items()}
    return with_errors
