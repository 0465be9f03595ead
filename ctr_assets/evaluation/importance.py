"""Permutation importance: how much worse a model predicts when a feature has the values of other impressions.

A feature is shuffled by itself: a column's crosses, and columns that tell the same, keep their values. Its importance
is therefore what the model gets from it and from no other feature, not all that is known through it. Breiman, "Random
forests" (Machine Learning 2001); Fisher, Rudin and Dominici, "All models are wrong, but many are useful" (JMLR 2019).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctr_assets.evaluation.metrics import logloss_of_rows
from ctr_assets.evaluation.scored import SCORING_COLUMNS, ClickScorer, RowsOf, count_rows
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.rows import iter_split
from ctr_assets.tables import ENCODED_SCHEMA

SAMPLE_ROWS: Final = 100_000
"""Rows that are shuffled at most. On demo data an importance of 0.01 nats then has a standard error of 0.0003. All
features take 11 s of CPU time on two cores, 19 s with the original preset."""
REPEATS: Final = 3
"""Shuffles of each feature. Five took twice as long and lowered the standard errors by 6 %."""
SEED: Final = 0


@dataclass(frozen=True)
class Importance:
    """Increase of the mean logloss when the feature is shuffled, nats a row, and its standard error.

    The error is of both the rows and the shuffles: how far another sample of as many independent rows, shuffled anew,
    would be away. Below 0 the model did better with wrong values, which is noise or overfitting.
    """

    feature: str
    increase: float
    standard_error: float


def sample_rows(store: Store, encoded: Sequence[Manifest], rows_of: RowsOf, most: int = SAMPLE_ROWS) -> pa.Table:
    """``most`` rows of the encoded days, evenly spread in their order; all of them where there are no more."""
    total = sum(count_rows(store, manifest, rows_of.splits) for manifest in encoded)
    count = min(most, total)
    wanted = np.arange(count) * total // max(1, count)
    parts, passed = [ENCODED_SCHEMA.empty_table().select(SCORING_COLUMNS)], 0
    for manifest in encoded:
        for _, rows in iter_split(store, manifest, rows_of.splits, SCORING_COLUMNS):
            first, end = np.searchsorted(wanted, (passed, passed + rows.num_rows))
            parts.append(rows.take(pa.array(wanted[first:end] - passed)))
            passed += rows.num_rows
    return pa.concat_tables(parts).combine_chunks()


def permutation_importances(
    scorer: ClickScorer, rows: pa.Table, features: Iterable[str], repeats: int = REPEATS, seed: int = SEED
) -> list[Importance]:
    """The importance of each feature, largest first; ``rows`` have the columns ``SCORING_COLUMNS``.

    Every feature is shuffled by the same permutations, so the order of ``features`` does not matter. Below two rows
    there is nothing to shuffle: the list is empty. Raises ValueError below two repeats: they have no standard error.
    """
    if repeats < 2:
        raise ValueError(f"repeats is {repeats}: expected at least 2, whose difference tells what a shuffle matters")
    if rows.num_rows < 2:
        return []
    labels = rows["label"].to_numpy()
    losses = logloss_of_rows(labels, scorer.predict(rows))
    rng = np.random.default_rng(seed)
    lenders = np.stack([rng.permutation(rows.num_rows) for _ in range(repeats)])

    def importance(feature: str) -> Importance:
        ids = rows[feature].to_numpy()
        lent = ids[lenders]
        # Only rows whose id differs are scored again: on Avazu's columns that is every second one.
        repeat, row = np.nonzero(lent != ids)
        increases = np.zeros(lent.shape)
        if row.size:
            shuffled = with_ids(rows.take(pa.array(row)), feature, lent[repeat, row])
            increases[repeat, row] = logloss_of_rows(labels[row], scorer.predict(shuffled)) - losses[row]
        return Importance(feature, float(increases.mean()), standard_error(increases, lenders))

    return sorted(map(importance, features), key=lambda each: (-each.increase, each.feature))


def with_ids(rows: pa.Table, feature: str, ids: npt.NDArray[Any]) -> pa.Table:
    """The rows with other ids of one feature, shape ``(n,)``."""
    position = rows.column_names.index(feature)
    field = rows.schema.field(position)
    return rows.set_column(position, field, pa.array(ids, field.type))


def standard_error(increases: npt.NDArray[np.float64], lenders: npt.NDArray[np.int64]) -> float:
    """Of the mean of ``increases[s, i]``: of row i in shuffle s, with the value of row ``lenders[s, i]``.

    Both shapes are ``(shuffles, rows)``. A row counts twice: it borrows a value, and it lends its own. So the mean is a
    U-statistic (Fisher et al., section 3), whose variance has two parts (Hoeffding 1948). The first is what each row
    brings in both roles; it shrinks with the rows. The second is what only the pair brings; it shrinks with rows and
    shuffles. What two shuffles have in common tells the first from the second.
    """
    shuffles, rows = increases.shape
    lending = np.empty_like(increases)
    np.put_along_axis(lending, lenders, increases, axis=1)
    of_rows = _variance_in_common(increases + lending)
    of_pairs = increases.var(axis=1, ddof=1).mean() - _variance_in_common(increases) - _variance_in_common(lending)
    return math.sqrt((max(0.0, of_rows) + max(0.0, of_pairs) / shuffles) / rows)


def _variance_in_common(values: npt.NDArray[np.float64]) -> float:
    """Mean covariance, over the rows, of two different shuffles: the variance without what each shuffle adds."""
    shuffles, rows = values.shape
    centred = values - values.mean(axis=1, keepdims=True)
    total = centred.sum(axis=0)
    return float((total @ total - (centred**2).sum()) / (shuffles * (shuffles - 1) * (rows - 1)))
