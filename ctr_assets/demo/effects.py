"""Effects of single values: random ones that depend on the value alone, published ones, and how far they are shrunk."""

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.identifiers import mix64
from ctr_assets.demo.made_up import salt_of
from ctr_assets.demo.published import published
from ctr_assets.demo.table import Table

# A value's effect is full when its share is far above this; 0.004 is 560 of the 140,000 training rows of the default.
HALF_EFFECT_SHARE = 0.004
SHORT_PRIOR_ROWS = 2_000  # Published click rates of values with fewer rows are drawn towards the mean.


def normal_effects(values: NDArray[np.bytes_], name: str, seed: int, width: int) -> NDArray[np.float64]:
    """Standard normal effects that depend on (value, name, seed) alone; shape (len(values), width).

    Box-Muller on two hashes of the value's text, so that a value keeps its effects whatever else is in the table.
    """
    texts = values.astype("S8").view(np.uint64)
    effects = np.empty((len(texts), width))
    for position in range(width):
        salts = [salt_of(f"{name} {position} {part} {seed}") for part in ("radius", "angle")]
        radius, angle = ((mix64(mix64(texts, salt), salt << 32) >> np.uint64(11)) * 2.0**-53 for salt in salts)
        effects[:, position] = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
    return effects


def shrinkage(table: Table, column: str) -> NDArray[np.float64]:
    """Between 0 (rare) and 1 (frequent) for each entry's value in a column; shape (len(table),)."""
    _, codes = np.unique(table.columns[column], return_inverse=True)
    share: NDArray[np.float64] = np.bincount(codes, table.rows)[codes] / table.rows.sum()
    return share / (share + HALF_EFFECT_SHARE)


def published_effects(table: Table, column: str) -> NDArray[np.float64]:
    """Log-odds of the published click rate of each entry's value, less those of all rows; shape (len(table),)."""
    figures = published()
    mean = figures.click_rate
    effects = {}
    for value, (rows, clicks) in figures.short[column].items():
        rate = ((mean * rows if clicks is None else clicks) + mean * SHORT_PRIOR_ROWS) / (rows + SHORT_PRIOR_ROWS)
        effects[value.encode()] = np.log(rate / (1 - rate)) - np.log(mean / (1 - mean))
    return np.array([effects.get(value, 0.0) for value in table.columns[column]])
