"""The best that any model could reach on the rows a day's models were scored on: the demo's true probabilities."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctr_assets.evaluation.scored import RowsOf, read_scored
from ctr_assets.features import ID_COLUMN, Split
from ctr_assets.serving.equality import delivered
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.rows import RawRows, iter_split
from ctr_assets.tables import ENCODED_FEATURES, SCORED_IMPRESSIONS


@dataclass(frozen=True)
class BestReachable:
    """ROC AUC and logloss (nats) of the true probabilities on ``rows`` rows."""

    rows: int
    roc_auc: float
    logloss: float


@dataclass(frozen=True)
class KnownImpression:
    """An impression as it was delivered, and the probability by which its click was drawn."""

    day: str
    columns: dict[str, str]
    click_probability: float


def held_out_impression(store: Store, day: str, truth: Path, columns: Sequence[str]) -> KnownImpression:
    """An impression of the day's test rows, which no model has learnt from, with its true click probability."""
    encoded = store.manifest(ENCODED_FEATURES, day)
    file_index, rows = next(iter_split(store, encoded, (Split.TEST,), ["row"]))
    with closing(RawRows(store, encoded, [ID_COLUMN, *columns])) as raw:
        (found,) = delivered(raw.take(file_index, rows["row"].to_numpy()[:1])).to_pylist()
    known = pq.read_table(truth / f"day={day}.parquet")
    position = pc.index(known["id"], found.pop(ID_COLUMN)).as_py()
    return KnownImpression(day, found, known["click_probability"][position].as_py())


def true_probabilities(store: Store, scored: Manifest, rows_of: RowsOf, truth: Path) -> npt.NDArray[np.float64] | None:
    """By what the click of each scored row was drawn, in their order; None where ``truth`` lacks a day of theirs."""
    ids, days = (pa.array(read_scored(store, scored, rows_of, column)) for column in ("id", "day"))
    probabilities = np.zeros(len(ids))
    for day in pc.unique(days).to_pylist():
        file = truth / f"day={day}.parquet"
        if not file.exists():
            return None
        of_day = pc.equal(days, day).to_numpy(zero_copy_only=False)
        known = pq.read_table(file, partitioning=None)
        position = pc.index_in(ids.filter(pa.array(of_day)), value_set=known["id"].combine_chunks())
        probabilities[of_day] = known["click_probability"].take(position).to_numpy()
    return probabilities


def best_reachable(store: Store, day: str, truth: Path) -> dict[str, BestReachable]:
    """For the test rows and, where scored, the next day's rows of a day's evaluation: the figures of the truth."""
    from sklearn.metrics import log_loss, roc_auc_score

    scored, found = store.manifest(SCORED_IMPRESSIONS, day), {}
    for file in scored.files:
        rows_of = RowsOf(file.name.removesuffix(".parquet"))
        probabilities = true_probabilities(store, scored, rows_of, truth)
        if probabilities is not None and len(probabilities):
            labels = read_scored(store, scored, rows_of, "label")
            auc, loss = float(roc_auc_score(labels, probabilities)), float(log_loss(labels, probabilities))
            found[rows_of.value] = BestReachable(len(labels), auc, loss)
    return found
