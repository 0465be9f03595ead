"""One measurement: a contender in a process of its own, its last line of output as figures, its peak memory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

Figures = dict[str, Any]
MODULES = "ctr_assets_tests.benchmarks"


def environment(threads: int) -> dict[str, str]:
    """The caller's, with the same number of threads for everything that counts threads by itself."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS")
    return {**kept, **dict.fromkeys(names, str(threads)), "PYTHONUNBUFFERED": "1"}


def ours(module: str, *arguments: object) -> list[str]:
    """The command of a module of this folder."""
    return [sys.executable, "-m", f"{MODULES}.{module}", *map(str, arguments)]


def measure(command: Sequence[str], threads: int = 2) -> Figures:
    """Run a contender and read the JSON object of its last line. Raises RuntimeError with its output when it fails."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment(threads))
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{text[-4000:]}")
    return dict(json.loads([line for line in text.splitlines() if line.startswith("{")][-1]))


def repeated(times: int, run: Callable[[], Figures]) -> Figures:
    """The run of the median seconds of several, as a whole, so that its figures belong together."""
    return sorted((run() for _ in range(times)), key=lambda figures: figures["seconds"])[(times - 1) // 2]


def tell(**figures: object) -> None:
    """What a contender prints last."""
    sys.stdout.write("\n" + json.dumps(figures) + "\n")
