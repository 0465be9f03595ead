"""Which processes a test started, and theirs: those that inherited an environment variable."""

from collections.abc import Iterator
from pathlib import Path


def processes_with(variable: str, value: str) -> Iterator[Path]:
    """The ``/proc`` folder of each living process whose environment says so; an ended one has none any more."""
    wanted = f"{variable}={value}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                yield process
        except OSError:
            continue  # ended meanwhile, or another user's
