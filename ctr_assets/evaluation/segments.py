"""Segments of impressions, as site and app traffic or each hour of the day, and how good predictions are in each.

An average hides a model that promises too many clicks in apps and too few on sites. Every figure is computed from the
segment's own rows; of a row only its label, one byte a segmentation and its probabilities are in memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ctr_assets.evaluation.metrics import Labels, Metrics, Probabilities, evaluate
from ctr_assets.evaluation.scored import RowsOf
from ctr_assets.features import HOUR_OF_DAY, NO_APP, NO_SITE, UNKNOWN_ID
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.rows import iter_split
from ctr_assets.storage.vocabulary import read_values

TRAFFIC: Final = "traffic"
FIELDS: Final = ("device_type", HOUR_OF_DAY, "banner_pos")
SEGMENTATIONS: Final = (TRAFFIC, *FIELDS)
SITE, APP, UNCLEAR = "site", "app", "unclear"
UNKNOWN: Final = "unknown"
"""Name of the segment of all values without an id."""


@dataclass(frozen=True)
class Segmentation:
    """Which segment each row is in: row i is in ``names[codes[i]]``. A segment may have no rows."""

    names: tuple[str, ...]
    codes: npt.NDArray[Any]


@dataclass(frozen=True)
class Segment:
    """The figures of each model on the rows of one segment."""

    segmentation: str
    name: str
    metrics: dict[str, Metrics]

    @property
    def rows(self) -> int:
        return self._any.rows

    @property
    def clicks(self) -> int:
        return self._any.clicks

    @property
    def click_rate(self) -> float:
        return self.clicks / self.rows

    @property
    def _any(self) -> Metrics:
        return next(iter(self.metrics.values()))


def read_segmentations(
    store: Store, encoded: Iterable[Manifest], vocabulary: Manifest, rows_of: RowsOf
) -> dict[str, Segmentation]:
    """Every segmentation of the rows, in the order of ``scored_impressions``, by name."""
    columns = ["site_id", "app_id", *FIELDS]
    values = read_values(store, vocabulary, columns)
    site_id, app_id = id_of(NO_SITE, values["site_id"]), id_of(NO_APP, values["app_id"])
    names = {TRAFFIC: (SITE, APP, UNCLEAR), **{field: (UNKNOWN, *values[field]) for field in FIELDS}}
    types = {segmentation: np.min_scalar_type(len(of)) for segmentation, of in names.items()}
    codes: dict[str, list[npt.NDArray[Any]]] = {name: [np.zeros(0, types[name])] for name in SEGMENTATIONS}
    for manifest in encoded:
        for _, rows in iter_split(store, manifest, rows_of.splits, columns):
            ids = {column: rows.column(column).to_numpy() for column in columns}
            codes[TRAFFIC].append(traffic_codes(ids["site_id"] == site_id, ids["app_id"] == app_id))
            for field in FIELDS:
                known = np.where(ids[field] < len(names[field]), ids[field], UNKNOWN_ID)
                codes[field].append(known.astype(types[field]))
    return {name: Segmentation(names[name], np.concatenate(codes[name])) for name in SEGMENTATIONS}


def id_of(value: str, values: list[str]) -> int:
    """Vocabulary id of a value; -1, which no row has, when the vocabulary does not hold it."""
    return values.index(value) + 1 if value in values else -1


def traffic_codes(has_no_site: npt.NDArray[np.bool_], has_no_app: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """0 site, 1 app, 2 unclear: neither or both of ``site_id`` and ``app_id`` are placeholders; shape ``(n,)``."""
    return np.where(has_no_app & ~has_no_site, 0, np.where(has_no_site & ~has_no_app, 1, 2)).astype(np.uint8)


def evaluate_segments(
    segmentations: Mapping[str, Segmentation], labels: Labels, probabilities: Mapping[str, Probabilities]
) -> list[Segment]:
    """The figures of every segment that has rows: segmentations as given, segments by number or name."""
    segments = []
    for segmentation, of in segmentations.items():
        # One sort instead of one pass over all rows for each segment.
        order = np.argsort(of.codes, kind="stable")
        ends = np.cumsum(np.bincount(of.codes, minlength=len(of.names)))
        spans = zip(of.names, [0, *ends[:-1]], ends, strict=True)
        for name, start, end in sorted(spans, key=lambda span: (not span[0].isdigit(), span[0].zfill(12))):
            if start < end:
                rows = order[start:end]
                metrics = {model: evaluate(labels[rows], each[rows]) for model, each in probabilities.items()}
                segments.append(Segment(segmentation, name, metrics))
    return segments
