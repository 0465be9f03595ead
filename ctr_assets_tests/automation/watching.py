"""A landing zone under watch: deliver, let time pass, look."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ctr_assets.automation.cursor import parse_cursor
from ctr_assets.automation.rules import WatchRules
from ctr_assets.automation.watch import look
from ctr_assets.landing.zone import LandingZone

DAYS = [f"2014-10-{day}" for day in range(21, 32)]
SETTLE_SECONDS = 30.0


class Watched:
    """Looks at one landing zone as the sensor does: the cursor is text between two looks."""

    def __init__(self, url, **rules):
        self.zone = LandingZone(str(url))
        self.rules = WatchRules(DAYS, **{"settle_seconds": SETTLE_SECONDS, **rules})
        self.now = 1_000_000.0
        self.cursor = None
        self.materialized = set()
        self.seen = ""

    def look(self, after=SETTLE_SECONDS, **options):
        """Look ``after`` seconds; returns what is to be run as (first, last) and remembers the rest."""
        self.now += after
        cursor = parse_cursor(self.cursor, self.zone.url)
        found = look(self.zone, self.rules, cursor, self.materialized, now=self.now, **options)
        self.cursor, self.seen, self.to_run = found.cursor.dump(), found.seen, found.to_run
        return [run.first if run.first == run.last else (run.first, run.last) for run in found.to_run]

    def settle(self):
        """Two looks: what both found the same is run."""
        return self.look() + self.look()

    def watch_by(self, **rules):
        self.rules = replace(self.rules, **rules)


def write(landing, name, content="x"):
    """Write a file whole, as a producer does that replaces it."""
    path = landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(content)
    os.replace(temporary, path)
    return path


@contextmanager
def as_nobody() -> Iterator[None]:
    """With the rights of nobody in particular: root may read whatever no one may."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def public_folder() -> Iterator[Path]:
    """A temporary folder that everybody may look into, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
