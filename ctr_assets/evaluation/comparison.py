"""Two models on the same rows: by how much one's logloss is more than the other's, and how sure that is."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

STANDARD_ERRORS: Final = 2.0
"""A difference of so many standard errors is not chance: noise alone exceeds it on one side once in 44 times."""


@dataclass(frozen=True)
class Comparison:
    """A candidate beside the champion on rows of which neither has learnt. Loglosses are nats a row."""

    rows_text: str
    """Which rows, in words."""
    rows: int
    clicks: int
    candidate: float
    champion: float
    difference: float
    """The candidate's logloss less the champion's, row by row: less than 0 where the candidate is better."""
    standard_error: float | None
    """Of the difference; None where the rows are too few to tell."""

    @property
    def is_better(self) -> bool:
        """Whether the candidate is better by more than chance."""
        return self.standard_error is not None and self.difference < -STANDARD_ERRORS * self.standard_error

    def is_no_worse(self, margin: float) -> bool:
        """Whether the candidate is shown to be worse by no more than ``margin``, relative to the champion's logloss."""
        error = self.standard_error
        return error is not None and self.difference + STANDARD_ERRORS * error <= margin * self.champion

    def is_worse(self, margin: float) -> bool:
        """Whether the candidate is worse by more than ``margin`` of the champion's logloss, and not by chance."""
        by_chance = self.standard_error is not None and self.difference <= STANDARD_ERRORS * self.standard_error
        return self.difference > margin * self.champion and not by_chance

    @property
    def increase(self) -> float:
        """Relative to the champion's logloss."""
        return self.difference / self.champion

    @property
    def text(self) -> str:
        """The numbers, and the rows they are of."""
        error = "unknown" if self.standard_error is None else f"{self.standard_error / self.champion:.2%}"
        return (
            f"logloss {self.candidate:.5f} against {self.champion:.5f}, {self.increase:+.2%} with a standard error of "
            f"{error}, on {self.rows:,} {self.rows_text}"
        )

    @classmethod
    def of_days(cls, days: Sequence[Self]) -> Self:
        """The account of several days, whose chance is independent; at least one."""
        shares = [day.rows / sum(each.rows for each in days) for day in days]
        errors = [day.standard_error for day in days]

        def mean(values: Iterable[float]) -> float:
            return sum(share * value for share, value in zip(shares, values, strict=True))

        return cls(
            rows_text=f"rows of {len(days)} day{'s' if len(days) > 1 else ''}",
            rows=sum(day.rows for day in days),
            clicks=sum(day.clicks for day in days),
            candidate=mean(day.candidate for day in days),
            champion=mean(day.champion for day in days),
            difference=mean(day.difference for day in days),
            standard_error=None
            if None in errors
            else math.sqrt(sum((share * (error or 0.0)) ** 2 for share, error in zip(shares, errors, strict=True))),
        )

    def to_properties(self) -> dict[str, Any]:
        """As a manifest keeps it."""
        return asdict(self)

    @classmethod
    def from_properties(cls, properties: dict[str, Any] | None) -> Self | None:
        """What :meth:`to_properties` gave; None of None."""
        return None if properties is None else cls(**{field.name: properties[field.name] for field in fields(cls)})
