"""The page of one run of the benchmarks: its machine, its options, and a line a contender. One file a run is kept."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

from ctr_assets_tests.benchmarks.measuring import Figures

HEADINGS: Final = ("what", "contender", "rows", "seconds", "rows/s", "peak memory", "beside")
_ALIGNED: Final = "|---|---|---:|---:|---:|---:|---|"
_BF16: Final = ("avx512_bf16", "amx_bf16")
"""Flags of a processor that multiplies bf16 in hardware: with one, training computes in it."""
_LIBRARIES: Final = ("dagster", "pyspark", "torch", "pyarrow", "onnxruntime")


@dataclass(frozen=True)
class Line:
    """One line of the table; ``ratio`` says what the figure is compared with."""

    section: str
    contender: str
    figures: Figures
    ratio: str = ""

    def as_markdown(self) -> str:
        """A row of the table with ``HEADINGS``."""
        rows, seconds = self.figures.get("rows", 0), self.figures["seconds"]
        peak = self.figures.get("peak_bytes")
        cells = [
            self.section,
            self.contender,
            f"{rows:,}" if rows else "",
            f"{seconds:,.2f}" if seconds < 10 else f"{seconds:,.0f}",
            f"{rows / seconds:,.0f}" if rows else "",
            f"{peak / 2**30:.1f} GiB" if peak else "",
            self.ratio,
        ]
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Page:
    """A file ``DATE.md`` that grows with each line, so that a run that is broken off keeps what it measured."""

    path: Path
    facts: dict[str, str]

    @classmethod
    def new(cls, folder: Path, *, sections: Sequence[str], repeats: int, threads: int) -> Self:
        """A page of today; ``DATE-2.md`` where there is one already."""
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        names = (f"{today}{suffix}.md" for suffix in ("", *(f"-{number}" for number in range(2, 100))))
        path = next(folder / name for name in names if not (folder / name).exists())
        measured = {
            "sections": " ".join(sections),
            "repeats": f"medians of {repeats} where a run is short" if repeats > 1 else "one run of each",
            "threads": f"{threads} of every contender",
        }
        return cls(path, {**machine(), **measured})

    def head(self) -> str:
        """What stands above the lines: heading, facts, and the table's first rows."""
        facts = "\n".join(f"| {name} | {fact} |" for name, fact in self.facts.items())
        return f"# {self.path.stem}\n\n| fact | |\n|---|---|\n{facts}\n\n| {' | '.join(HEADINGS)} |\n{_ALIGNED}"

    def add(self, line: Line) -> None:
        """Keep a line. The first one makes the file."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(f"{self.head()}\n")
        with self.path.open("a") as page:
            page.write(f"{line.as_markdown()}\n")


def machine() -> dict[str, str]:
    """What the figures depend on, as a reader would ask for it."""
    processor = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in processor.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores",
        "bf16 in hardware": "yes" if any(flag in processor for flag in _BF16) else "no",
        "memory": f"{memory:.0f} GiB",
        "GPU": _first_line("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "none",
        "versions": ", ".join([f"Python {platform.python_version()}", *(f"{n} {version(n)}" for n in _LIBRARIES)]),
        "commit": _first_line("git", "describe", "--always", "--dirty") or "unknown",
    }


def _first_line(*command: str) -> str:
    """The first line that a program prints; nothing where it is not installed or fails."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0]
