"""What the Spark contenders share: the clock of their steps, and the line that they print last."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctr_assets_tests.benchmarks.measuring import tell


class Clock:
    """Wall seconds of named steps, from its making on, and the most memory seen at the end of any of them."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self.peak_bytes = 0
        self.began = self.ended = time.perf_counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.ended = time.perf_counter()
        self.steps[name] = round(self.ended - began, 3)
        self.peak_bytes = max(self.peak_bytes, peak_resident_bytes())

    def report(self, contender: str, rows: int, size: int) -> None:
        """Write the result as one JSON line; ``size`` is that of the final output, in bytes."""
        seconds = round(self.ended - self.began, 3)
        figures = {"rows": rows, "seconds": seconds, "steps": self.steps, "bytes": size, "peak_bytes": self.peak_bytes}
        tell(contender=contender, **figures)


def peak_resident_bytes() -> int:
    """The peaks of this process and of each that descends from it (JVM, Python workers), added up.

    Not less than what was in use at any one time: peaks need not coincide, and pages that forked workers share are
    counted for each of them. Processes that have ended already are not counted.
    """
    return sum(peaks_of_processes().values())


def peaks_of_processes() -> dict[tuple[int, str], int]:
    """Number and name of this process and of each that descends from it, and its most resident memory in bytes."""
    children: dict[int, list[int]] = {}
    peaks: dict[int, tuple[str, int]] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue  # ended meanwhile
        process = int(status.parent.name)
        children.setdefault(int(fields["PPid"]), []).append(process)
        peaks[process] = fields["Name"].strip(), int(fields["VmHWM"].split()[0]) * 1024 if "VmHWM" in fields else 0
    found, waiting = {}, [os.getpid()]
    while waiting:
        process = waiting.pop()
        name, peak = peaks.get(process, ("", 0))
        found[process, name] = peak
        waiting += children.get(process, [])
    return found
