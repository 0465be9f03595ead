"""How the features of a model lie in its tables of weights. Pure: sizes in, positions out.

The features are put in an order in which the wide ones, and the deep ones of one embedding dimension, are neighbours.
So one look-up of the distinct ids of a batch serves every table: each table takes a contiguous part of it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from typing import Final

from ctr_assets.features import FeatureSelection

PROJECT_FROM_DIMENSION: Final = 64
"""Embeddings this long go through the first dense layer before they are gathered, each distinct id once.

A batch holds few distinct ids of a feature, so for dimension 256 that saves most of the layer's multiplications: the
original preset's model computes 1.6 x as fast (``make bench SECTIONS=parts``). For dimension 16 it does not pay, since
gathering 256 or more floats for each value costs about what multiplying 16 does.
"""


@dataclass(frozen=True)
class TableLayout:
    """A table of weights over the features ``[first, end)`` of the layout; ``rows`` counts ids and unknowns."""

    name: str
    first: int
    end: int
    dimension: int
    rows: int

    @property
    def features(self) -> int:
        return self.end - self.first

    @property
    def is_projected(self) -> bool:
        return self.dimension >= PROJECT_FROM_DIMENSION


@dataclass(frozen=True)
class Layout:
    """The features of a model in order, the ids of each (1..size; 0 is unknown), and the tables over them."""

    features: tuple[str, ...]
    sizes: tuple[int, ...]
    wide: TableLayout | None
    deep: tuple[TableLayout, ...]

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Row of each feature's unknown id, were all features in one table; the last entry is the number of rows."""
        return (0, *accumulate(size + 1 for size in self.sizes))

    @property
    def tables(self) -> tuple[TableLayout, ...]:
        return (*((self.wide,) if self.wide else ()), *self.deep)

    @property
    def deep_width(self) -> int:
        """Inputs of the deep part."""
        return sum(table.features * table.dimension for table in self.deep)


def build_layout(selection: FeatureSelection, vocabulary_sizes: dict[str, int]) -> Layout:
    """Order the features that a model reads and cut them into tables.

    Raises ValueError when the vocabulary does not hold a feature of the selection.
    """
    if unknown := sorted({*selection.wide, *selection.deep} - vocabulary_sizes.keys()):
        raise ValueError(f"the vocabulary holds no {', '.join(unknown)}: materialize it with the current features")
    wide, deep = set(selection.wide_within(vocabulary_sizes)), selection.deep

    def place(name: str) -> tuple[bool, bool, int]:
        return name in deep, name not in wide, deep.get(name, 0)

    names = sorted(wide | deep.keys(), key=lambda name: (*place(name), name))
    sizes = tuple(vocabulary_sizes[name] for name in names)

    def table(name: str, positions: list[int], dimension: int) -> TableLayout:
        first, end = positions[0], positions[-1] + 1
        return TableLayout(name, first, end, dimension, sum(size + 1 for size in sizes[first:end]))

    wide_positions = [i for i, name in enumerate(names) if name in wide]
    deep_positions = [i for i, name in enumerate(names) if name in deep]
    runs = [(dim, list(run)) for dim, run in groupby(deep_positions, key=lambda i: deep[names[i]])]
    return Layout(
        features=tuple(names),
        sizes=sizes,
        wide=table("wide", wide_positions, 1) if wide_positions else None,
        deep=tuple(table(f"deep_{i}_of_{dim}", run, dim) for i, (dim, run) in enumerate(runs)),
    )
