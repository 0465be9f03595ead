"""Draws a chunk of impressions as codes, that is as row numbers in the vocabulary's tables."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.table import Table
from ctr_assets.demo.vocabulary import Vocabulary

# Share of the rows whose banner_pos is not the placement's usual one (0.9 % in a sample of the 21st and 22nd).
UNUSUAL_BANNER_SHARE = 0.009


@dataclass(frozen=True)
class Impressions:
    """Codes of n impressions, each of shape (n,).

    Attributes:
        hour: hour of day, 0 to 23.
        placement: entry of `placements`.
        creative: entry of `creatives`.
        c20: entry of `c20`.
        device_class: entry of `device_classes`.
        model: entry of `models`.
        banner_pos: the position, as a number.
    """

    hour: NDArray[np.int64]
    placement: NDArray[np.int64]
    creative: NDArray[np.int64]
    c20: NDArray[np.int64]
    device_class: NDArray[np.int64]
    model: NDArray[np.int64]
    banner_pos: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hour)


def draw_entries(rng: np.random.Generator, weights: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    """`rows` independent draws from a discrete distribution, shape (rows,).

    Counts per entry (multinomial) in random order are the same distribution as row-by-row draws, and several times
    quicker for thousands of entries.

    Args:
        weights: shape (entries,), probabilities that add up to 1.
    """
    entries = np.repeat(np.arange(len(weights), dtype=np.int32), rng.multinomial(rows, weights))
    rng.shuffle(entries)
    return entries.astype(np.int64)


def draw_impressions(
    rng: np.random.Generator, vocabulary: Vocabulary, hours: NDArray[np.int64], age_days: int
) -> Impressions:
    """Impressions of one day at the given hours.

    Args:
        hours: shape (n,), hour of day of each impression.
        age_days: days since 2014-10-21, which decides the values that exist.
    """
    rows = len(hours)

    def draw(table: Table) -> NDArray[np.int64]:
        return draw_entries(rng, table.daily_weights(age_days), rows)

    placement, creative, c20 = draw(vocabulary.placements), draw(vocabulary.creatives), draw(vocabulary.c20)
    device_class = np.empty(rows, dtype=np.int64)
    start = vocabulary.app_classes_start
    is_app = vocabulary.is_app[placement]
    class_rows = vocabulary.device_classes.rows
    for chosen, first, last in ((~is_app, 0, start), (is_app, start, len(class_rows))):
        weights = class_rows[first:last] / class_rows[first:last].sum()
        device_class[chosen] = first + draw_entries(rng, weights, int(chosen.sum()))
    model = np.empty(rows, dtype=np.int64)
    group_of_row = vocabulary.model_group_of_class[device_class]
    for number, group in enumerate(vocabulary.model_groups):
        chosen = group_of_row == number
        entries = vocabulary.models.take(np.arange(group.start, group.stop))
        model[chosen] = group.start + draw_entries(rng, entries.daily_weights(age_days), int(chosen.sum()))
    usual = vocabulary.placements.columns["banner_pos"].astype(np.int64)[placement]
    unusual = rng.random(rows) < UNUSUAL_BANNER_SHARE
    # An unusual position is 1 where 0 is usual, else 0.
    banner_pos = np.where(unusual, usual == 0, usual).astype(np.int64)
    return Impressions(hours, placement, creative, c20, device_class, model, banner_pos)
