"""How far a figure may be off by chance, where impressions come in clusters.

The impressions of an hour share what happened in it, those of a device the person who holds it. Taken as independent
rows, they promise more certainty than they have. The variance here is the sum of the cluster-robust variances by hour
and by device, less that by hour and device together: Cameron, Gelbach and Miller, "Robust inference with multiway
clustering", Journal of Business & Economic Statistics 29(2), 2011.

Every figure is the mean of one value a row: the logloss its own terms, the ROC AUC its placements.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.metrics import Labels, Probabilities, logloss_of_rows
from ctr_assets.evaluation.scored import RowsOf
from ctr_assets.features import DEVICE, HOUR_OF_DAY, UNKNOWN_ID
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.rows import iter_split

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """Which hour and which device each row is of: codes from 0 on, shape ``(n,)``; equal codes, equal cluster."""

    hours: Codes
    devices: Codes

    @cached_property
    def of_both(self) -> Codes:
        """Which hour and device together: sorted out once, for every figure of the same rows."""
        pairs = self.hours * (int(self.devices.max()) + 1) + self.devices
        codes: Codes = np.unique(pairs, return_inverse=True)[1]
        return codes


@dataclass(frozen=True)
class Estimate:
    """A mean over rows and its standard error; None where the rows are of fewer than two clusters."""

    value: float
    standard_error: float | None


def read_clusters(store: Store, encoded: Iterable[Manifest], rows_of: RowsOf) -> Clusters:
    """The clusters of the rows, in the order of ``scored_impressions``."""
    hours, devices = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    first_hour = 0
    for manifest in encoded:
        last_hour = first_hour
        for _, rows in iter_split(store, manifest, rows_of.splits, [HOUR_OF_DAY, DEVICE]):
            hours.append(rows.column(HOUR_OF_DAY).to_numpy() + np.int64(first_hour))
            devices.append(rows.column(DEVICE).to_numpy().astype(np.int64))
            last_hour = max(last_hour, int(hours[-1].max(initial=0)))
        first_hour = last_hour + 1
    return make_clusters(np.concatenate(hours), np.concatenate(devices))


def make_clusters(hours: Codes, device_ids: Codes) -> Clusters:
    """The clusters of hours and of vocabulary ids of devices, both of shape ``(n,)``.

    An unknown device was hardly ever seen before, so each such row counts as a device of its own.
    """
    unknown = device_ids == UNKNOWN_ID
    devices = device_ids.copy()
    devices[unknown] = int(device_ids.max(initial=0)) + 1 + np.arange(int(unknown.sum()))
    return Clusters(hours, devices)


def estimate(values: Values, clusters: Clusters) -> Estimate:
    """Mean of one value a row with its standard error; all of shape ``(n,)``, n at least 1."""
    mean = float(values.mean())
    residuals = values - mean
    if min(np.ptp(clusters.hours), np.ptp(clusters.devices)) == 0:
        return Estimate(mean, None)
    by_hour, by_device, by_both = (
        _variance(residuals, codes) for codes in (clusters.hours, clusters.devices, clusters.of_both)
    )
    # With few clusters the difference may come out too small, even negative: no less than either clustering alone says.
    return Estimate(mean, float(np.sqrt(max(by_hour + by_device - by_both, by_hour, by_device))))


def _variance(residuals: Values, codes: Codes) -> float:
    """Cluster-robust variance of the mean, corrected for the number of clusters, at least two."""
    count = int(np.count_nonzero(np.bincount(codes)))
    sums = np.bincount(codes, weights=residuals)
    return float(sums @ sums) / len(residuals) ** 2 * count / (count - 1)


def compare(
    labels: Labels, candidate: Probabilities, champion: Probabilities, clusters: Clusters, rows_text: str
) -> Comparison:
    """Compare two models' probabilities of the same rows, all of shape ``(n,)``, n at least 1."""
    losses, champion_losses = logloss_of_rows(labels, candidate), logloss_of_rows(labels, champion)
    difference = estimate(losses - champion_losses, clusters)
    return Comparison(
        rows_text=rows_text,
        rows=len(labels),
        clicks=int(labels.sum(dtype=np.int64)),
        candidate=float(losses.mean()),
        champion=float(champion_losses.mean()),
        difference=difference.value,
        standard_error=difference.standard_error,
    )


def auc_of_rows(labels: Labels, probabilities: Probabilities) -> Values | None:
    """A value a row whose mean is the ROC AUC, shape ``(n,)``; None where the rows are of one class only.

    The placement of a clicked row is the share of the other rows that it is ranked above. That of any other row is the
    share of clicked rows that are ranked above it. Placements are weighted so that the variance of their mean is that
    of the AUC (DeLong et al., Biometrics 44, 1988; with clusters Obuchowski, Biometrics 53, 1997).
    """
    clicks = int(labels.sum(dtype=np.int64))
    others = len(labels) - clicks
    if not clicks or not others:
        return None
    inverse = np.unique(probabilities, return_inverse=True)[1]
    clicked = np.bincount(inverse, weights=labels)
    not_clicked = np.bincount(inverse) - clicked
    others_below = (np.cumsum(not_clicked) - not_clicked / 2) / others
    clicked_above = 1 - (np.cumsum(clicked) - clicked / 2) / clicks
    placements = np.where(labels, others_below[inverse], clicked_above[inverse])
    auc = float(others_below @ clicked) / clicks
    weights = np.where(labels, len(labels) / clicks, len(labels) / others)
    return auc + (placements - auc) * weights


def ratio_of_rows(labels: Labels, probabilities: Probabilities) -> Values | None:
    """A value a row whose mean is the calibration ratio, shape ``(n,)``; None where no row was clicked.

    The variance of that mean is the variance of the ratio of means, to first order (the delta method).
    """
    rate = float(labels.mean(dtype=np.float64)) if len(labels) else 0.0
    if not rate:
        return None
    ratio = float(probabilities.mean(dtype=np.float64)) / rate
    return ratio + (probabilities.astype(np.float64) - ratio * labels) / rate


def standard_errors(labels: Labels, probabilities: Probabilities, clusters: Clusters) -> dict[str, float]:
    """``<figure>_standard_error`` of a model's logloss, ROC AUC and calibration ratio; without those undefined."""
    if not len(labels):
        return {}
    values = {
        "logloss": logloss_of_rows(labels, probabilities),
        "roc_auc": auc_of_rows(labels, probabilities),
        "calibration_ratio": ratio_of_rows(labels, probabilities),
    }
    found = {
        name: estimate(of_rows, clusters).standard_error for name, of_rows in values.items() if of_rows is not None
    }
    return {f"{name}_standard_error": error for name, error in found.items() if error is not None}
