"""Sizes of the click model's effects, and its tables for a vocabulary and a seed."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.click_model import DEVICE_TYPES, ClickModel, Pair
from ctr_assets.demo.effects import normal_effects, published_effects, shrinkage
from ctr_assets.demo.table import Table
from ctr_assets.demo.vocabulary import Vocabulary, build_vocabulary

HOURS = 24
BANNER_POSITIONS = 8  # 0 to 7.

# Scales in logits, tuned on 200,000 rows and seeds 1, 7 and 2014: the best AUC is 0.78 to 0.79, wide and deep effects
# vary about equally (standard deviation 0.7 to 0.9). From 140,000 of the rows a Wide & Deep network learns 94 % of the
# way from 0.5 to the best AUC in one or two epochs; boosted trees (50 of depth 5) stay about 0.04 below it.
SHORT_SCALE = {  # Of the published log-odds; below 1, because columns that belong together would be counted twice.
    "site_category": 0.4,
    "app_category": 0.4,
    "C1": 0.3,
    "device_conn_type": 0.5,
    "C16": 0.5,
    "C18": 0.4,
    "C19": 0.4,
    "C21": 0.4,
}
BANNER_SCALE = 0.5  # Of the published log-odds of banner_pos.
VALUE_SCALE = {"site_id": 0.1, "app_id": 0.1, "device_model": 0.05, "C14": 0.05, "C17": 0.1, "C20": 0.1}
HOUR_SCALE, CROSS_SCALE = 0.1, 0.15  # Of the hour's crosses and of the others.
DEEP_SCALE = {("placement", "campaign"): 1.1, ("placement", "C20"): 0.5, ("campaign", "C20"): 0.4}
# A hidden number is +1 or -1 by its value, plus this: pure signs (offset 0) have no main effect at all, and a network
# finds them only after two epochs.
DEEP_OFFSET = 0.4


@lru_cache(maxsize=2)
def build_click_model(last_age: int, seed: int) -> ClickModel:
    """The click model of a seed.

    Args:
        last_age: last day of the run, in days since 2014-10-21; the values that come later hardly move earlier ones.
        seed: another seed gives other effects, except the published ones.
    """
    vocabulary = build_vocabulary(last_age)
    tables = {
        "placement": vocabulary.placements,
        "creative": vocabulary.creatives,
        "c20": vocabulary.c20,
        "device_class": vocabulary.device_classes,
        "model": vocabulary.models,
    }

    def value_effects(table: Table, column: str, name: str, width: int) -> NDArray[np.float64]:
        return shrinkage(table, column)[:, None] * normal_effects(table.columns[column], name, seed, width)

    single = {}
    for name, table in tables.items():
        single[name] = np.zeros(len(table))
        for column in table.columns:
            if column in SHORT_SCALE:
                single[name] += SHORT_SCALE[column] * published_effects(table, column)
            if column in VALUE_SCALE:
                single[name] += VALUE_SCALE[column] * value_effects(table, column, column, 1)[:, 0]

    angle = 2 * np.pi * np.arange(HOURS) / HOURS
    waves = HOUR_SCALE * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    placements, classes = vocabulary.placements, vocabulary.device_classes
    hour_placement = np.zeros((HOURS, len(placements)))
    for column in ("site_category", "app_category"):
        hour_placement += waves @ value_effects(placements, column, f"hour {column}", 2).T
    hour_device = waves @ value_effects(classes, "device_type", "hour device_type", 2).T
    positions = np.array([str(i) for i in range(BANNER_POSITIONS)], dtype="S1")
    none = np.zeros(BANNER_POSITIONS)
    banner = BANNER_SCALE * published_effects(
        Table({"banner_pos": positions}, none, none.astype(np.int64)), "banner_pos"
    )
    banner_device = banner[:, None] + CROSS_SCALE * value_effects(classes, "device_type", "banner", BANNER_POSITIONS).T

    return ClickModel(
        single=single,
        hour_placement=hour_placement,
        hour_device=hour_device,
        banner_device=banner_device,
        placement_device=CROSS_SCALE * value_effects(placements, "site_category", "device_type", len(DEVICE_TYPES)),
        device_type=np.array([DEVICE_TYPES.index(kind) for kind in classes.columns["device_type"]]),
        pairs=_deep_pairs(vocabulary, seed),
    )


def _deep_pairs(vocabulary: Vocabulary, seed: int) -> tuple[Pair, ...]:
    """The interactions of DEEP_SCALE with the hidden numbers of their sides."""
    placements = vocabulary.placements

    def hidden(table: Table, column: str) -> NDArray[np.float64]:
        sign = np.sign(normal_effects(table.columns[column], f"deep {column}", seed, 1)[:, 0])
        return shrinkage(table, column) * (sign + DEEP_OFFSET)

    of_placement = np.where(vocabulary.is_app, hidden(placements, "app_id"), hidden(placements, "site_id"))
    sides = {
        "placement": ("placement", of_placement),
        "campaign": ("creative", hidden(vocabulary.creatives, "C17")),
        "C20": ("c20", hidden(vocabulary.c20, "C20")),
    }
    pairs = []
    for (left, right), scale in DEEP_SCALE.items():
        (left_code, left_numbers), (right_code, right_numbers) = sides[left], sides[right]
        pairs.append(Pair(left_code, right_code, left_numbers, right_numbers, scale))
    return tuple(pairs)
