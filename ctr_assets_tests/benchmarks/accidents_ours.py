"""What a delivery that went wrong costs: rows kept and quarantined, seconds and memory of taking it in.

``python -m ctr_assets_tests.benchmarks.accidents_ours ACCIDENT FOLDER``
"""

import argparse
import gzip
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ctr_assets.etl.encode import encode
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.vocabulary import build
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session
from ctr_assets.storage import Store
from ctr_assets_tests.benchmarks.clock import Clock
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.deliveries import COLUMNS, impressions

DAY = "2014-10-21"
_BASE_ROWS = 10_000
_DISTINCT = 60_000
_PAIR = (COLUMNS.index("device_type"), COLUMNS.index("app_category"))


@dataclass(frozen=True)
class Accident:
    """How many rows, as which file, with what fault."""

    rows: int
    name: str = "train.csv"
    fault: str = ""


ACCIDENTS = {
    "clean": Accident(490_000),
    "clean, gz": Accident(490_000, "train.csv.gz"),
    "one stray quote": Accident(490_000, fault="quote"),
    "one stray quote, gz": Accident(490_000, "train.csv.gz", "quote"),
    "an id of 1 MB": Accident(2_000, fault="megabyte"),
    "an id of 20 kB": Accident(200_000, fault="20 kB"),
    "all rows wrong, gz": Accident(400_000, "train.csv.gz", "columns"),
    "all clicks wrong, gz": Accident(400_000, "train.csv.gz", "clicks"),
    "a cross of 60,000 x 60,000": Accident(900_000, fault="cross"),
}


def lines(accident: Accident) -> Iterator[str]:
    """The data lines: a few thousand made rows again and again, each with an id of its own."""
    base = [[row[name] for name in COLUMNS] for row in impressions(DAY, _BASE_ROWS)]
    middle = accident.rows // 2
    for number in range(accident.rows):
        cells = base[number % _BASE_ROWS]
        cells[0] = str(10**19 + number)
        if accident.fault == "columns":
            yield ",".join([*cells, "x"])
        elif accident.fault == "clicks":
            yield ",".join([cells[0], f"click {number}", *cells[2:]])
        elif accident.fault == "cross":
            crossed = list(cells)
            crossed[_PAIR[0]], crossed[_PAIR[1]] = f"a{number % _DISTINCT}", f"b{number * 7919 % _DISTINCT}"
            yield ",".join(crossed)
        elif number == middle and accident.fault == "quote":
            yield ",".join([*cells[:5], '"' + cells[5], *cells[6:]])
        elif number == middle and accident.fault in ("megabyte", "20 kB"):
            yield ",".join(["9" * (1 << 20 if accident.fault == "megabyte" else 20_000), *cells[1:]])
        else:
            yield ",".join(cells)


def deliver(folder: Path, accident: Accident, data: Iterable[str]) -> None:
    folder.mkdir(parents=True)
    path = folder / accident.name
    with gzip.open(path, "wt", compresslevel=1) if path.suffix == ".gz" else path.open("w") as file:
        file.write(",".join(COLUMNS) + "\n")
        file.writelines(f"{line}\n" for line in data)


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("accident", choices=ACCIDENTS)
    p.add_argument("folder", type=Path, help="made anew, for the delivery and the tables")
    options = p.parse_args(arguments)
    accident = ACCIDENTS[options.accident]
    shutil.rmtree(options.folder, ignore_errors=True)
    deliver(options.folder / "landing", accident, lines(accident))
    store, landing = Store(str(options.folder.resolve() / "store")), str(options.folder.resolve() / "landing")
    spark = start_session(LOCAL_SPARK_CONFIG)
    clock, who = Clock(), {"benchmark": "accidents_ours"}
    with clock.step("raw_impressions"):
        found = ingest(spark, store, landing, [DAY], max_quarantined_share=1, created_by=who)
    if accident.fault == "cross":
        with clock.step("feature tables"):
            build(spark, store, [DAY], None, {}, who)
            encode(spark, store, [DAY], who)
    (account,) = found.days[DAY].accounts
    counts = {name.replace(" ", "_"): count for name, count in account.counts.items()}
    seconds = sum(clock.steps.values())
    tell(
        rows=accident.rows,
        seconds=seconds,
        steps=clock.steps,
        peak_bytes=clock.peak_bytes,
        lines=account.lines,
        **counts,
    )
    spark.stop()


if __name__ == "__main__":
    main()
