"""The table ``scored_impressions``: every evaluated row with its label and each model's probability.

One file for each set of rows, ``test.parquet`` and ``next_day.parquet``. Written and read as a stream of columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from enum import StrEnum, unique
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctr_assets.features import FEATURES, ID_COLUMN, Split
from ctr_assets.storage import DataFile, Manifest, ParquetPart, Store
from ctr_assets.storage.rows import RawRows, iter_split, split_row_groups

CONSTANT: Final = "constant"
GBT: Final = "gbt"
LOGISTIC: Final = "logistic"
WIDE_DEEP: Final = "wide_deep"
NAMES: Final = {
    WIDE_DEEP: "Wide & Deep",
    GBT: "GBT",
    LOGISTIC: "logistic regression",
    CONSTANT: "constant rate",
}
"""What people call the models that are compared."""
MODELS: Final = tuple(NAMES)
"""These models, the column names of their probabilities too."""
BASELINES: Final = (GBT, LOGISTIC, CONSTANT)
"""What Wide & Deep must do better than."""
SCORED_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("day", pa.string(), nullable=False),
        pa.field("rows_of", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        *(pa.field(model, pa.float32(), nullable=False) for model in MODELS),
    ]
)
LABELLED: Final = (Split.TRAIN, Split.VALIDATION, Split.TEST)
SCORING_COLUMNS: Final = (*(feature.name for feature in FEATURES), "label", "row")


@unique
class RowsOf(StrEnum):
    """Which rows were scored."""

    TEST = "test"
    """The held-out rows of the window's days."""
    NEXT_DAY = "next_day"
    """All labelled rows of the day after: what the model would have met in use (progressive validation)."""
    ALL = "all"
    """All labelled rows of one day."""

    @property
    def splits(self) -> tuple[Split, ...]:
        return (Split.TEST,) if self is RowsOf.TEST else LABELLED

    @property
    def file_name(self) -> str:
        return f"{self.value}.parquet"


class ClickScorer(Protocol):
    """Anything that predicts click probabilities of encoded rows, shape ``(n,)``."""

    def predict(self, table: pa.Table) -> npt.NDArray[np.float32]: ...


class ConstantScorer:
    """Predicts one click-through rate for every row: what a model has to beat to have learnt anything."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def predict(self, table: pa.Table) -> npt.NDArray[np.float32]:
        return np.full(table.num_rows, self.rate, dtype=np.float32)


def write_scored(
    store: Store, folder: str, rows_of: RowsOf, encoded: Iterable[Manifest], scorers: Mapping[str, ClickScorer]
) -> DataFile:
    """Score the rows of the encoded days by every model and write them, one row group of input at a time."""
    part = ParquetPart(store, folder, rows_of.file_name, SCORED_SCHEMA, use_dictionary=["day", "rows_of", "label"])
    for manifest in encoded:
        with closing(RawRows(store, manifest, [ID_COLUMN])) as raw:
            for file_index, rows in iter_split(store, manifest, rows_of.splits, SCORING_COLUMNS):
                columns: dict[str, Any] = {
                    "id": raw.take(file_index, rows.column("row").to_numpy())[ID_COLUMN],
                    "day": pa.repeat(manifest.partition, rows.num_rows),
                    "rows_of": pa.repeat(rows_of.value, rows.num_rows),
                    "label": rows.column("label"),
                    **{model: pa.array(scorer.predict(rows)) for model, scorer in scorers.items()},
                }
                part.write(pa.table(columns, schema=SCORED_SCHEMA))
    return part.close()


def read_scored(store: Store, manifest: Manifest, rows_of: RowsOf, column: str) -> npt.NDArray[Any]:
    """One column of the scored rows, shape ``(n,)``, in the order of :func:`write_scored`."""
    with store.parquet(manifest, store.file(manifest, rows_of.file_name)) as parquet:
        values: npt.NDArray[Any] = parquet.read(columns=[column], use_threads=store.is_local).column(column).to_numpy()
    return values


def score_rows(
    store: Store, encoded: Iterable[Manifest], rows_of: RowsOf, scorer: ClickScorer
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Labels and one model's probabilities of the rows, in the order of :func:`write_scored`."""
    labels, probabilities = [np.zeros(0, np.int8)], [np.zeros(0, np.float32)]
    for manifest in encoded:
        for _, rows in iter_split(store, manifest, rows_of.splits, SCORING_COLUMNS):
            labels.append(rows.column("label").to_numpy())
            probabilities.append(scorer.predict(rows))
    return np.concatenate(labels), np.concatenate(probabilities)


def count_rows(store: Store, encoded: Manifest, splits: Sequence[Split]) -> int:
    """Rows of the splits of one encoded day; reads footers only."""
    rows = 0
    for file in encoded.files:
        with store.parquet(encoded, file) as parquet:
            groups = split_row_groups(parquet.metadata, splits, store.file_path(encoded, file))
            rows += sum(parquet.metadata.row_group(group).num_rows for group in groups)
    return rows


def training_click_rate(store: Store, encoded: Iterable[Manifest]) -> float:
    """Click-through rate of the training rows of the encoded days. Raises ValueError when there are none."""
    rows = clicks = 0
    for manifest in encoded:
        for _, table in iter_split(store, manifest, (Split.TRAIN,), ["label"]):
            rows += table.num_rows
            clicks += int(table.column("label").to_numpy().sum(dtype=np.int64))
    if not rows:
        raise ValueError("the window has no training rows: there is no click-through rate to predict")
    return clicks / rows
