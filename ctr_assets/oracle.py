"""The best that any model could reach on the rows a day's models were scored on: the demo's true probabilities."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctr_assets.features import ID_COLUMN, Split
from ctr_assets.serving.equality import delivered
from ctr_assets.storage import Store
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


def best_reachable(store: Store, day: str, truth: Path) -> dict[str, BestReachable]:
    """For the test rows and, where scored, the next day's rows of a day's evaluation: the figures of the truth."""
    from sklearn.metrics import log_loss, roc_auc_score

    manifest = store.manifest(SCORED_IMPRESSIONS, day)
    scored = pa.concat_tables(
        store.parquet(manifest, file).read(columns=["id", "day", "rows_of", "label"]) for file in manifest.files
    )
    found: dict[str, BestReachable] = {}
    for rows_of in pc.unique(scored["rows_of"]).to_pylist():
        rows = scored.filter(pc.equal(scored["rows_of"], rows_of))
        labels, probabilities = [], []
        for scored_day in pc.unique(rows["day"]).to_pylist():
            of_day = rows.filter(pc.equal(rows["day"], scored_day))
            known = pq.read_table(truth / f"day={scored_day}.parquet")
            position = pc.index_in(of_day["id"], value_set=known["id"].combine_chunks())
            probabilities.append(known["click_probability"].take(position).to_numpy())
            labels.append(of_day["label"].to_numpy())
        y, p = np.concatenate(labels), np.concatenate(probabilities)
        found[rows_of] = BestReachable(len(y), float(roc_auc_score(y, p)), float(log_loss(y, p)))
    return found
