"""Tables of the long columns: the published head, and made-up values for the tail up to the published cardinality."""

from collections.abc import Iterator, Mapping
from itertools import count, islice
from zlib import crc32

import numpy as np

from ctr_assets.demo.identifiers import hex_values
from ctr_assets.demo.published import published
from ctr_assets.demo.table import Table, assign_parents, grow


def salt_of(name: str) -> int:
    """A fixed 32-bit number of a name, so that each column gets values and effects of its own."""
    return crc32(name.encode())


def hex_tail(column: str) -> Iterator[str]:
    """Endless distinct 8-hex-digit values of a column."""
    block = 16_384
    for start in range(0, 2**32, block):
        yield from hex_values(np.arange(start, start + block, dtype=np.uint32), salt_of(column)).astype(str)


def number_tail(first: int) -> Iterator[str]:
    """Endless distinct whole numbers from `first` on."""
    return map(str, count(first))


def long_table(column: str, head: Mapping[str, float], tail: Iterator[str], total: float, values: int) -> Table:
    """A one-column table of `values` entries that occur in the published days.

    Args:
        column: name of the column.
        head: value -> published rows, most frequent first.
        tail: made-up values; those of the head are skipped.
        total: rows of all entries together.
        values: distinct values of head and tail together.
    """
    unused = (value for value in tail if value not in head)
    return grow(column, head, list(islice(unused, values - len(head))), total, salt_of(column))


def add_parent(table: Table, child: str, parent: str, counts: Mapping[str, float], position: int) -> None:
    """Adds a parent column whose totals come near `counts`; the published heads keep their published parents.

    Args:
        table: changed in place.
        child: the column that fixes the parent.
        parent: the new column.
        counts: parent value -> rows.
        position: index of the parent in the published list of the child's parents.
    """
    codes = {value: code for code, value in enumerate(counts)}
    heads = published().parents[child]
    known = {
        entry: codes[heads[value][position]]
        for entry, value in enumerate(table.columns[child].astype(str))
        if value in heads and heads[value][position] in codes
    }
    parents = assign_parents(table.rows, np.array(list(counts.values()), dtype=np.float64), known)
    table.columns[parent] = np.array(list(codes), dtype="S")[parents]
