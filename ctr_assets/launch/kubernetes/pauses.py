"""Pauses between tries: each twice the one before up to a longest, and shortened at random, so that no crowd forms."""

import random
from collections.abc import Iterator


def growing_pauses(first: float, most: float) -> Iterator[float]:
    """Seconds, for ever."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, most)
