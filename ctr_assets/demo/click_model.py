"""The known click model: logit = intercept of the day + wide effects + deep effects, click ~ Bernoulli(sigmoid(logit)).

* Wide: an effect of every value of the short columns, from the published click rates; a small effect of every value of
  the long ones; and the crosses hour x site_category, hour x app_category, hour x device_type, banner_pos x device_type
  and device_type x site_category.
* Deep: every placement (site or app), campaign (C17) and C20 value has a hidden number, mostly a sign; a pair's effect
  is a saturating function (tanh) of the product of the two. Most of it is no main effect, and the values' order by
  frequency says nothing about the signs: the interactions must be learnt value by value.

Effects of rare values are shrunk, so that what can be learnt lies in the head. No effect depends on device_id/ip.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctr_assets.demo.sampling import Impressions

DEEP_STEEPNESS = 2.0  # tanh(2 * 0.6 * 0.6) = 0.62 and tanh(2 * 1.4 * 1.4) = 1.0: saturated for frequent values.
DEVICE_TYPES = (b"0", b"1", b"2", b"4", b"5")  # Columns of `ClickModel.placement_device`.


@dataclass(frozen=True)
class Pair:
    """One deep interaction: `scale * tanh(DEEP_STEEPNESS * left * right)` of two hidden numbers.

    Attributes:
        left, right: names of the two codes in `Impressions`.
        left_numbers, right_numbers: shape (entries,), the hidden number of each entry.
        scale: in logits.
    """

    left: str
    right: str
    left_numbers: NDArray[np.float64]
    right_numbers: NDArray[np.float64]
    scale: float

    def effect(self, x: Impressions) -> NDArray[np.float64]:
        """In logits, shape (n,)."""
        product = self.left_numbers[getattr(x, self.left)] * self.right_numbers[getattr(x, self.right)]
        effect: NDArray[np.float64] = self.scale * np.tanh(DEEP_STEEPNESS * product)
        return effect


@dataclass(frozen=True)
class ClickModel:
    """All effects as tables; build it with `click_effects.build_click_model`.

    Attributes:
        single: name of a code in `Impressions` -> shape (entries,), wide effects of each entry.
        hour_placement: shape (24, placements), hour x site_category and hour x app_category.
        hour_device: shape (24, device classes), hour x device_type.
        banner_device: shape (8, device classes), banner_pos and banner_pos x device_type.
        placement_device: shape (placements, 5), device_type x site_category.
        device_type: shape (device classes,), position in DEVICE_TYPES.
        pairs: the deep interactions.
    """

    single: dict[str, NDArray[np.float64]]
    hour_placement: NDArray[np.float64]
    hour_device: NDArray[np.float64]
    banner_device: NDArray[np.float64]
    placement_device: NDArray[np.float64]
    device_type: NDArray[np.int64]
    pairs: tuple[Pair, ...]

    def wide(self, x: Impressions) -> NDArray[np.float64]:
        """The wide effects in logits, shape (n,)."""
        total = self.hour_placement[x.hour, x.placement] + self.hour_device[x.hour, x.device_class]
        total += self.banner_device[x.banner_pos, x.device_class]
        total += self.placement_device[x.placement, self.device_type[x.device_class]]
        for name, effects in self.single.items():
            total += effects[getattr(x, name)]
        return total

    def deep(self, x: Impressions) -> NDArray[np.float64]:
        """The deep effects in logits, shape (n,)."""
        total: NDArray[np.float64] = np.sum([pair.effect(x) for pair in self.pairs], axis=0)
        return total

    def logits(self, x: Impressions) -> NDArray[np.float64]:
        """Logits without the intercept of the day, shape (n,)."""
        return self.wide(x) + self.deep(x)
