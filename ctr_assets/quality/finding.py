"""What one check saw on one day."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """``message`` says what was seen and what was expected; ``figures`` are the numbers it speaks of."""

    passed: bool
    message: str
    figures: Mapping[str, float] = field(default_factory=dict)
