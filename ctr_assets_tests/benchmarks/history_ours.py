"""What a day costs after so many days: ``python -m … FOLDER --days 1000 --rows 10000``.

Every day has as many impressions, half of them of devices that never came before. Made-up raw days go through the real
vocabulary and encoding; a line is told of the days 1, 10, 100, and so on: the median of it and those just after it.
The days between are made in this process: the same code, called by :class:`InProcess` in place of a Spark context.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ctr_assets.automation.staleness import FEATURE_TABLES, stale_features
from ctr_assets.automation.state import read_manifests
from ctr_assets.days import shift
from ctr_assets.etl.counts import COUNTS, count_file, counts_property
from ctr_assets.etl.encode import encode
from ctr_assets.etl.vocabulary import build
from ctr_assets.features import CATEGORICAL_COLUMNS, DEVICE
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session
from ctr_assets.quality.ids import append_only
from ctr_assets.storage import Manifest, Store, write_parquet
from ctr_assets.storage.vacuum import find_garbage
from ctr_assets.storage.vocabulary import read_index
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, RAW_IMPRESSIONS, RAW_SCHEMA, columns_of
from ctr_assets_tests.benchmarks.measuring import tell

FIRST_DAY = "2014-10-21"
FILES = 2
AROUND = 5
"""Days of which the median is told."""


class InProcess:
    """The few methods of a Spark session, its context and its data sets that building a day calls, over lists."""

    # ruff: noqa: N815

    defaultParallelism = 1

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self.sparkContext = self
        self._items = list(items)

    def parallelize(self, items: Iterable[Any], _: int) -> "InProcess":
        return InProcess(items)

    def map(self, function: Callable[[Any], Any]) -> "InProcess":
        return InProcess(map(function, self._items))

    def collect(self) -> list[Any]:
        return self._items


def write_raw_day(store: Store, number: int, rows: int) -> None:
    """A raw day whose devices are half new, half of the days before; twenty values of every other column."""
    day, rng = shift(FIRST_DAY, number), np.random.default_rng(number)
    version = store.begin(RAW_IMPRESSIONS, day)
    files = []
    for k in range(FILES):
        count = rows // FILES
        first = (number * FILES + k) * (count // 2)
        old = rng.integers(0, max(1, first), count - count // 2)
        devices = np.concatenate([np.arange(first, first + count // 2), old])
        columns = {name: pa.array([f"{v:02d}" for v in rng.integers(0, 20, count)]) for name in CATEGORICAL_COLUMNS}
        hours = np.datetime64(day, "ms") + rng.integers(0, 24, count) * np.timedelta64(3_600_000, "ms")
        arrays: dict[str, Any] = {
            **columns,
            "id": [str(v) for v in rng.integers(10**18, 9 * 10**18, count)],
            "click": pa.array((rng.random(count) < 0.17).astype(np.int8)),
            "hour": pa.array(hours).cast(RAW_SCHEMA.field("hour").type),
            DEVICE: [f"{v:08x}" for v in devices],
        }
        table = pa.table([arrays[field.name] for field in RAW_SCHEMA], schema=RAW_SCHEMA)
        files.append(write_parquet(store, version.folder, f"part-{k:05d}.parquet", table))
    counts = counts_property(count_file(version, version.name, file) for file in files)
    version.commit(files, columns_of(RAW_SCHEMA), properties={COUNTS: counts})


def seconds_of(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def bytes_of(store: Store, manifest: Manifest) -> int:
    """Everything that the version's folder holds, and its manifest."""
    folder = store.path(manifest.table, manifest.partition)
    files = [info["size"] for info in store.fs.find(f"{folder}/{manifest.version}", detail=True).values()]
    return sum(files) + int(store.fs.info(f"{folder}/manifest.json")["size"])


def look_back(store: Store, days: list[str]) -> dict[str, float]:
    """Seconds of what looks at all days: a sensor's tick, and the vacuum."""

    def tick() -> None:
        if not stale_features(read_manifests(store, FEATURE_TABLES, days), days).is_current:
            raise RuntimeError("the days that were just made are stale")

    return {
        "tick": seconds_of(tick),
        "vacuum": seconds_of(lambda: find_garbage(store, keep_days=14, now=datetime.now(UTC))),
    }


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder", type=Path)
    p.add_argument("--days", type=int, default=1000)
    p.add_argument("--rows", type=int, default=10_000)
    options = p.parse_args(arguments)
    store = Store(str(options.folder.resolve()))
    spark = start_session(LOCAL_SPARK_CONFIG)
    told = [10**n for n in range(8) if 10**n <= options.days]
    measured: list[dict[str, Any]] = []
    lines = []
    for number in range(options.days + AROUND - 1):
        is_told = any(n <= number + 1 < n + AROUND for n in told)
        session: Any = spark if is_told else InProcess()
        day, before = shift(FIRST_DAY, number), shift(FIRST_DAY, number - 1) if number else None
        write_raw_day(store, number, options.rows)
        figures: dict[str, Any] = {
            "vocabulary": seconds_of(lambda: build(session, store, [day], before, {}, {})),  # noqa: B023
            "encode": seconds_of(lambda: encode(session, store, [day], {})),  # noqa: B023
            "check": seconds_of(lambda: append_only(store, day)),  # noqa: B023
        }
        vocabulary = store.manifest(FEATURE_VOCABULARY, day)
        figures["bytes"] = bytes_of(store, vocabulary) + bytes_of(store, store.manifest(ENCODED_FEATURES, day))
        measured.append(figures)
        if number + 1 - AROUND + 1 in told:
            around = measured[-AROUND:]
            lines.append(
                {
                    "day": number + 1 - AROUND + 1,
                    "known": sum(vocabulary.properties["sizes"].values()),
                    "segments": len(read_index(store, vocabulary).segments),
                    "manifest": int(store.fs.info(store.path(FEATURE_VOCABULARY, day, "manifest.json"))["size"]),
                    **{name: statistics.median(of[name] for of in around) for name in figures},
                    "mean_bytes": statistics.mean(of["bytes"] for of in measured),
                    "most_bytes": max(of["bytes"] for of in measured),
                    **look_back(store, [shift(FIRST_DAY, n) for n in range(number + 1)]),
                }
            )
    tell(rows=options.rows, seconds=sum(of["vocabulary"] + of["encode"] for of in measured), lines=lines)
    spark.stop()
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
