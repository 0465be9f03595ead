"""A table holds values of one or several columns that occur together, how often, and from which day on.

It is built from a published head, a power-law tail and a parent column.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.identifiers import mix32
from ctr_assets.demo.published import published

# A value that is expected 3 times in 40 M rows is missing from them with probability e^-3 = 5 %.
MIN_TAIL_ROWS = 3.0
NEW_SHARE = 0.3  # Of the tail values, so many appear on a later day than the first (test day: 4-15 % are unseen).
GROWTH_SHARE = 0.01  # After the published days, each further day brings so many new entries per published one.
STRIDE = 7919  # A prime: steps through the tail without a pattern.


@dataclass(frozen=True)
class Table:
    """Values of one or several columns that occur together, with frequencies.

    Attributes:
        columns: column name -> shape (n,), texts of dtype S.
        rows: shape (n,), expected impressions in the published ten days.
        first_age: shape (n,), int, the day (days since 2014-10-21) from which the entry occurs.
    """

    columns: dict[str, NDArray[np.bytes_]]
    rows: NDArray[np.float64]
    first_age: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def daily_weights(self, age_days: int) -> NDArray[np.float64]:
        """Shape (n,), chance of each entry on a day (zero before its first day), adding up to 1.

        An entry that comes late is more frequent on its days, so that its ten-day total is the published one.
        """
        published_days = len(published().daily_rows)
        present_days = np.where(self.first_age < published_days, published_days - self.first_age, published_days)
        # Before 2014-10-21 the entries are those of that day.
        weights = np.where(self.first_age <= max(age_days, 0), self.rows / present_days, 0.0)
        chances: NDArray[np.float64] = weights / weights.sum()
        return chances

    def concatenate(self, other: "Table") -> "Table":
        """Both tables' entries, this one's first; the columns must be the same."""
        return Table(
            {name: np.concatenate([self.columns[name], other.columns[name]]) for name in self.columns},
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.first_age, other.first_age]),
        )

    def take(self, entries: NDArray[np.int64]) -> "Table":
        """The chosen entries, in the order given."""
        columns = {name: values[entries] for name, values in self.columns.items()}
        return Table(columns, self.rows[entries], self.first_age[entries])

    def extended(self, column: str, last_age: int, spare_values: Iterator[str]) -> "Table":
        """The table with the entries that appear after the published days, up to day `last_age`.

        Each is a copy of an entry of the less frequent half, with a new value in `column`.

        Args:
            column: the column that gets new values.
            last_age: last day of the run, in days since 2014-10-21.
            spare_values: made-up values; those that the table has already are skipped.
        """
        published_days = len(published().daily_rows)
        per_day = max(1, int(len(self) * GROWTH_SHARE))
        needed = per_day * max(0, last_age - published_days + 1)
        taken = set(self.columns[column].astype(str))
        values = list(islice((value for value in spare_values if value not in taken), needed))
        middle = len(self) // 2
        copied = self.take(middle + (np.arange(needed) * STRIDE) % (len(self) - middle))
        copied.columns[column] = np.array(values, dtype=self.columns[column].dtype)
        copied.first_age[:] = published_days + np.arange(needed) // per_day
        return self.concatenate(copied)


def tail_rows(first: float, first_rank: int, total: float, values: int) -> NDArray[np.float64]:
    """Power-law counts `first * (rank / first_rank) ** -s` for the `values` ranks after `first_rank`; shape (values,).

    The exponent s is solved so that the counts add up to `total`; no count is below MIN_TAIL_ROWS.

    Args:
        first: count at `first_rank`, the last published one.
        first_rank: rank of the last published value, >= 1.
        total: what the tail adds up to.
        values: length of the tail, >= 1.
    """
    log_ratio = np.log((np.arange(values) + first_rank + 1) / first_rank)
    low, high = 0.0, 50.0
    for _ in range(60):
        exponent = (low + high) / 2
        counts = np.maximum(first * np.exp(-exponent * log_ratio), MIN_TAIL_ROWS)
        low, high = (exponent, high) if counts.sum() > total else (low, exponent)
    return counts * (total / counts.sum()) if counts.sum() < total else counts


def grow(column: str, head: Mapping[str, float], tail_values: Sequence[str], total: float, salt: int) -> Table:
    """A one-column table of a published head, which exists from the first day, and a power-law tail, of which
    NEW_SHARE appears on a later day than the first.

    Args:
        column: name of the column.
        head: value -> published rows, most frequent first.
        tail_values: the made-up values.
        total: rows of head and tail together.
        salt: decides which tail values come late.
    """
    counts = np.array(list(head.values()), dtype=np.float64)
    tail = tail_rows(float(counts[-1]), len(counts), max(total - float(counts.sum()), 0.0), len(tail_values))
    draw = mix32(np.arange(len(tail), dtype=np.uint32), salt).astype(np.float64) / 2.0**32
    later_days = len(published().daily_rows) - 1
    first_age = np.where(draw < NEW_SHARE, 1 + np.floor(draw / NEW_SHARE * later_days), 0).astype(np.int64)
    return Table(
        {column: np.array([*head, *tail_values], dtype="S")},
        np.concatenate([counts, tail]),
        np.concatenate([np.zeros(len(counts), dtype=np.int64), first_age]),
    )


def assign_parents(
    rows: NDArray[np.float64], parent_rows: NDArray[np.float64], known: Mapping[int, int]
) -> NDArray[np.int64]:
    """Gives each child a parent so that the parents' totals come near the published ones; shape (children,).

    Known children first; then, from the most frequent child on, each goes to the parent that lacks most. The least
    frequent children go to parents that are still empty, so that every parent occurs.

    Args:
        rows: shape (children,), expected rows of each child.
        parent_rows: shape (parents,), rows of each parent.
        known: child -> parent, for the published heads.
    """
    missing = parent_rows.astype(np.float64).copy()
    parents = np.full(len(rows), -1, dtype=np.int64)
    for child, parent in known.items():
        parents[child] = parent
        missing[parent] -= rows[child]
    order = [int(child) for child in np.argsort(-rows, kind="stable") if parents[child] < 0]
    for child in order:
        parents[child] = int(np.argmax(missing))
        missing[parents[child]] -= rows[child]
    used = np.bincount(parents, minlength=len(parent_rows))
    for parent in map(int, np.flatnonzero(used == 0)):
        child = next(c for c in reversed(order) if used[parents[c]] > 1)
        used[parents[child]] -= 1
        used[parent] += 1
        parents[child] = parent
    return parents
