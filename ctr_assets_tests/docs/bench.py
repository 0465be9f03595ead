"""The history of the benchmarks, read from its pages: the README's lines, and the list of runs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctr_assets_tests.benchmarks.page import HEADINGS
from ctr_assets_tests.docs.markdown import table

PAGES: Final = Path(__file__).parents[2] / "docs" / "benchmarks"
_RUN: Final = re.compile(r"\d{4}-\d\d-\d\d(-\d+)?")

TOLD: Final = (
    ("tables: CSV to encoded_features", "ours"),
    ("tables: CSV to encoded_features", "original study's approach"),
    ("the whole log", "ours, tables"),
    ("training: default fields x 16, 400-400-400, batch 10000", "ours, from Parquet"),
    ("training: default fields x 16, 400-400-400, batch 10000", "fuxictr"),
)
"""Section and beginning of the contender of the README's five lines: the tables, the whole log, and the training beside
the fastest of the other libraries."""


@dataclass(frozen=True)
class Run:
    """One page: its facts, and its lines by heading."""

    name: str
    facts: dict[str, str]
    lines: list[dict[str, str]]

    def line(self, section: str, contender: str) -> dict[str, str] | None:
        """The first line of a section whose contender begins so."""
        return next((x for x in self.lines if x["what"] == section and x["contender"].startswith(contender)), None)


def runs() -> list[Run]:
    """Every run that is kept, the newest first."""
    pages = (path for path in PAGES.glob("*.md") if _RUN.fullmatch(path.stem))
    return [_read(path) for path in sorted(pages, key=lambda path: _order(path.stem), reverse=True)]


def _order(name: str) -> tuple[str, int]:
    return name[:10], int(name[11:] or 1)


def _read(path: Path) -> Run:
    rows = list(_rows(path.read_text()))
    heading = rows.index(list(HEADINGS))
    facts = dict(rows[1:heading])
    return Run(path.stem, facts, [dict(zip(HEADINGS, row, strict=True)) for row in rows[heading + 1 :]])


def _rows(page: str) -> Iterator[list[str]]:
    """The cells of each row of the page's tables, but for the lines under their headings."""
    for line in page.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def bench() -> str:
    """The README's lines, each of the newest run that measured it. Raises LookupError when none did."""
    rows = [_told(*of) for of in TOLD]
    return table(("what", "contender", "rows", "seconds", "rows/s", "beside", "run"), rows, right=_NUMBERS)


_NUMBERS: Final = ("rows", "seconds", "rows/s")


def _told(section: str, contender: str) -> list[str]:
    for run in runs():
        if line := run.line(section, contender):
            cells = [line[name] for name in ("what", "contender", *_NUMBERS, "beside")]
            return [*cells, f"[{run.name}](docs/benchmarks/{run.name}.md)"]
    raise LookupError(f"no page in {PAGES} has a line of {section!r} and {contender!r}: run make bench")


def bench_runs() -> str:
    """The list of runs."""
    rows = [(f"[{run.name}]({run.name}.md)", run.facts["processor"], run.facts["sections"]) for run in runs()]
    return table(("run", "processor", "sections"), rows)
