"""What became of every line of a delivered text: the account that must close before a day is committed.

Lines are counted twice. Line feeds are counted in the decompressed bytes as they are read; what became of the lines is
counted where rows are kept, rejected or left to another day.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import BaseModel, Field

from ctr_assets.landing.errors import LandingError

MOST_DAYS: Final = 50
"""Other days counted one by one; the rest, which only garbage has, together."""
FURTHER_DAYS: Final = "further days"
ACCOUNT_COLUMNS: Final = ("file", "lines", "header", "blank", "kept", "duplicates", "quarantined", "other days", "sum")


class LineAccount(BaseModel):
    """The account of one text, a delivered file or a member of an archive. Counts of rows are by day.

    ``lines`` is the number of lines in its bytes; all other counts together are what became of them. ``other_days``
    were not asked for in this run: days outside the graph, or days of an archive that another run takes.
    """

    source: str
    lines: int
    header: int
    blank: int
    kept: dict[str, int] = Field(default_factory=dict)
    duplicates: dict[str, int] = Field(default_factory=dict)
    quarantined: dict[str, int] = Field(default_factory=dict)
    other_days: dict[str, int] = Field(default_factory=dict)

    @property
    def accounted_for(self) -> int:
        """Lines that something became of."""
        return sum(self.counts.values())

    @property
    def closes(self) -> bool:
        return self.lines == self.accounted_for

    @property
    def counts(self) -> dict[str, int]:
        """What became of the lines, over all days."""
        return {
            "header": self.header,
            "blank": self.blank,
            "kept": sum(self.kept.values()),
            "duplicates": sum(self.duplicates.values()),
            "quarantined": sum(self.quarantined.values()),
            "other days": sum(self.other_days.values()),
        }

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        return f"{self.source}: {self.lines:,} lines in its bytes, {self.accounted_for:,} accounted for ({told})"


def check_closed(accounts: Iterable[LineAccount]) -> None:
    """Raise LandingError, naming the file and both sums, unless every account closes."""
    open_accounts = [str(account) for account in accounts if not account.closes]
    if open_accounts:
        raise LandingError(
            f"{'; '.join(open_accounts)}. Nothing was committed. Deliver the file again if it changed while it was "
            "read; if it did not, its reader is at fault: please report it with the file"
        )


def account_rows(accounts: Sequence[LineAccount]) -> list[list[str]]:
    """The accounts as rows of a table with ``ACCOUNT_COLUMNS``; the last row sums several."""
    counts = [[account.lines, *account.counts.values(), account.accounted_for] for account in accounts]
    names = [account.source for account in accounts]
    if len(accounts) > 1:
        counts.append([sum(column) for column in zip(*counts, strict=True)])
        names.append("all")
    return [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, counts, strict=True)]


def rows_outside(accounts: Iterable[LineAccount], first: str, last: str) -> dict[str, int]:
    """Rows of days that are not asked for and lie before ``first`` or after ``last``, the days of the graph, by day."""
    found: dict[str, int] = {}
    for account in accounts:
        for day, rows in account.other_days.items():
            if not first <= day <= last:
                found[day] = found.get(day, 0) + rows
    return dict(sorted(found.items()))
