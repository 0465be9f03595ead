"""What one check saw on one day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """``message`` says what was seen and what was expected; ``figures`` are the numbers it speaks of.

    ``table`` shows them where they are many: the names of its columns, then its rows.
    """

    passed: bool
    message: str
    figures: Mapping[str, float] = field(default_factory=dict)
    table: Sequence[Sequence[str]] = ()
