"""``python -m ctr_assets_tests.system_packages``: programs that the tests use and pip cannot install.

Those that are missing are installed with apt-get where that is possible (as root on Debian or Ubuntu), and named where
it is not: the tests that need them then skip and say so.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PROGRAMS: Final = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "postgresql": ("postgres", "/usr/lib/postgresql/*/bin/postgres"),
}
"""Debian's package -> its program: a name on the path, or a pattern of absolute paths (the newest version last)."""

INSTALL_SECONDS: Final = 180.0
"""A machine without a network must not wait for ever."""


def find_program(package: str) -> Path | None:
    """Where the program of a package is; None where it is not installed."""
    for name in PROGRAMS[package]:
        if name.startswith("/"):
            installed = sorted(Path("/").glob(name.removeprefix("/")), key=lambda path: (len(str(path)), path))
            if installed:
                return installed[-1]
        elif found := shutil.which(name):
            return Path(found).resolve()
    return None


def skip_reason(package: str) -> str:
    """Why a test that needs the package is skipped, and what to do."""
    return f"{package} is not installed: apt-get install {package}, or make setup as root"


def main() -> int:
    missing = [package for package in PROGRAMS if find_program(package) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *missing]):
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    command, env=environment, stdout=subprocess.DEVNULL, check=False, timeout=INSTALL_SECONDS
                )
    for package in PROGRAMS:
        found = find_program(package)
        sys.stdout.write(f"{package}: {found if found else f'missing; its tests will skip ({skip_reason(package)})'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
