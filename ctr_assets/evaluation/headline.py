"""What a reader of a report wants first: logloss and ROC AUC of every model on the same rows, and how sure they are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ctr_assets.evaluation.metrics import Labels, Probabilities, logloss_of_rows
from ctr_assets.evaluation.uncertainty import Clusters, Estimate, auc_of_rows, estimate


@dataclass(frozen=True)
class Standing:
    """One model: its figures, and its logloss less the challenger's on the same rows (more than 0: the worse one)."""

    logloss: Estimate
    roc_auc: Estimate | None
    """None where the rows are of one class only."""
    logloss_behind: Estimate


@dataclass(frozen=True)
class Headline:
    """The models by the names that a report calls them, the challenger first."""

    rows_text: str
    rows: int
    clicks: int
    standings: dict[str, Standing]


def headline(
    labels: Labels, probabilities: Mapping[str, Probabilities], clusters: Clusters, rows_text: str
) -> Headline | None:
    """Every model on the same rows, all of shape ``(n,)``; None where there are no rows."""
    if not len(labels):
        return None
    standings: dict[str, Standing] = {}
    challenger = logloss_of_rows(labels, next(iter(probabilities.values())))
    for model, of_rows in probabilities.items():
        losses, placements = logloss_of_rows(labels, of_rows), auc_of_rows(labels, of_rows)
        standings[model] = Standing(
            logloss=estimate(losses, clusters),
            roc_auc=None if placements is None else estimate(placements, clusters),
            logloss_behind=estimate(losses - challenger, clusters),
        )
    return Headline(rows_text, len(labels), int(labels.sum(dtype=np.int64)), standings)
