"""The log as Kaggle has it: one archive of labelled rows, one of unlabelled rows of the last day.

Genuine rows are a competition's data and no part of the repository. The tests take made rows of their form, and
``make test-avazu DIR=...`` the rows of a download.
"""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import islice
from pathlib import Path

from ctr_assets.demo.generate import generate

FOLDER_VARIABLE = "CTR_TESTS_AVAZU"
DAYS = ["2014-10-21", "2014-10-22"]
UNLABELLED_DAY = "2014-10-31"
LABELLED = {"train.gz": 300, "real_days_21_22.csv.gz": 1}
UNLABELLED = {"test.gz": 450, "real_unlabelled_day_31.csv.gz": 1}
"""Names in a download, the first that is there counts: one line in so many is taken."""
MADE_ROWS, MADE_UNLABELLED_ROWS = 33_000, 10_000


@dataclass(frozen=True)
class Log:
    """Rows of DAYS in `train`, of UNLABELLED_DAY in `test`: gzipped CSV with a header, a `click` in the first alone."""

    train: Path
    test: Path

    @cached_property
    def rows(self) -> Counter[str]:
        """Rows by day."""
        hours = (row["hour"] for path in (self.train, self.test) for row in _cells(path))
        return Counter(f"20{hour[:2]}-{hour[2:4]}-{hour[4:6]}" for hour in hours)

    @cached_property
    def unlabelled_ids(self) -> list[str]:
        """Ids of `test`, in its order."""
        return [row["id"] for row in _cells(self.test)]


def made_log(folder: Path) -> Log:
    """Rows of the demo's click model."""
    log = Log(folder / "train.gz", folder / "test.gz")
    generate(MADE_ROWS, folder / "labelled", folder / "truth", days=len(DAYS))
    generate(MADE_UNLABELLED_ROWS, folder / "unlabelled", folder / "truth", date.fromisoformat(UNLABELLED_DAY), days=1)
    header, *rows = _delivered(folder / "labelled")
    _write(log.train, [header, *(row for row in rows if row != header)])
    _write(log.test, (_without_click(line) for line in _delivered(folder / "unlabelled")))
    return log


def downloaded_log(source: Path, folder: Path) -> Log:
    """Rows of a download, as many of Kaggle's whole files as the tests want. Raises FileNotFoundError."""
    train, test = _first(source, LABELLED), _first(source, UNLABELLED)
    log = Log(folder / "train.gz", folder / "test.gz")
    days = tuple(day[2:].replace("-", "") for day in DAYS)
    header, *rows = _thinned(train, LABELLED[train.name])
    hour = header.decode().split(",").index("hour")
    _write(log.train, [header, *(row for row in rows if row.decode().split(",")[hour].startswith(days))])
    _write(log.test, _thinned(test, UNLABELLED[test.name]))
    return log


def _first(source: Path, names: dict[str, int]) -> Path:
    for name in names:
        if (source / name).is_file():
            return source / name
    raise FileNotFoundError(
        f"{source} has no {' nor '.join(names)}: set DIR to the folder of Kaggle's train.gz and test.gz"
    )


def _thinned(path: Path, step: int) -> Iterator[bytes]:
    """The header and one line in `step`."""
    with gzip.open(path) as lines:
        yield next(lines)
        yield from islice(lines, 0, None, step)


def _delivered(landing: Path) -> Iterator[bytes]:
    for path in sorted(landing.glob("day=*/*.csv")):
        yield from path.read_bytes().splitlines(keepends=True)


def _without_click(line: bytes) -> bytes:
    id_, _, rest = line.split(b",", 2)
    return id_ + b"," + rest


def _write(path: Path, lines: Iterable[bytes]) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.writelines(lines)


def _cells(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt") as lines:
        yield from csv.DictReader(lines)
