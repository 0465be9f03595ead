"""What a day costs after so many known ids: ``python -m … LANDING FOLDER KNOWN``, ids of device_ip.

The landing zone's first day is read once; its vocabulary and its encoded rows are then made several times over, after
a made-up vocabulary of the day before. ``--look-up`` times the look-up alone, in one process.
"""

import argparse
import shutil
import statistics
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from ctr_assets.days import shift
from ctr_assets.etl.encode import encode
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.vocabulary import build
from ctr_assets.features import DEVICE, FEATURE_BY_NAME
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session
from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.entries import keys_of, look_up
from ctr_assets.storage.segments import BUCKETS, bucket_of, read_bucket
from ctr_assets.storage.vocabulary import read_index
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, RAW_IMPRESSIONS
from ctr_assets_tests.benchmarks.clock import peaks_of_processes
from ctr_assets_tests.benchmarks.made_up_ids import commit_made_up_ids, made_up_values
from ctr_assets_tests.benchmarks.measuring import tell

DAY = "2014-10-21"
ROUNDS = 3
ASKED = 300_000
"""Values that a look-up asks for, half of them known: about as many as are distinct in a day of 408,000 impressions."""


def time_day(store: Store, landing: str, before: str | None) -> None:
    """Tell the median seconds of both tables, the bytes that they write, and the largest worker."""
    spark = start_session(LOCAL_SPARK_CONFIG)
    if store.find(RAW_IMPRESSIONS, DAY) is None:
        ingest(spark, store, landing, [DAY], max_quarantined_share=0.01, created_by={})
    seconds: dict[str, list[float]] = {FEATURE_VOCABULARY: [], ENCODED_FEATURES: []}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        build(spark, store, [DAY], before, {}, {})
        built = time.perf_counter()
        encode(spark, store, [DAY], {})
        seconds[FEATURE_VOCABULARY].append(built - began)
        seconds[ENCODED_FEATURES].append(time.perf_counter() - built)
    steps = {table: statistics.median(of) for table, of in seconds.items()}
    written = {table: _size(store, store.manifest(table, DAY)) for table in steps}
    workers = [peak for (_, name), peak in peaks_of_processes().items() if name.startswith("python")]
    rows = store.manifest(ENCODED_FEATURES, DAY).rows
    tell(rows=rows, seconds=sum(steps.values()), steps=steps, written=written, peak_bytes=max(workers))
    spark.stop()


def time_look_up(store: Store, before: str, known: int) -> None:
    """Tell the median seconds of asking every bucket for the values of its keys."""
    numbers = np.random.default_rng(0).integers(0, known, ASKED // 2)
    asked = pa.concat_arrays(
        [*(made_up_values(n, n + 1) for n in numbers.tolist()), made_up_values(2**31, 2**31 + ASKED // 2)]
    )
    keys = keys_of([*FEATURE_BY_NAME].index(DEVICE), asked)
    (segment,) = read_index(store, store.manifest(FEATURE_VOCABULARY, before)).segments
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = 0
        for bucket in range(BUCKETS):
            rows = np.flatnonzero(bucket_of(keys) == bucket)
            states = look_up(read_bucket(store, segment, bucket), keys[rows], asked.take(pa.array(rows)))
            found += int(np.count_nonzero(states))
        seconds.append(time.perf_counter() - began)
    if found != ASKED // 2:
        raise RuntimeError(f"{found:,} values were found, expected {ASKED // 2:,}")
    tell(rows=ASKED, seconds=statistics.median(seconds), peak_bytes=max(peaks_of_processes().values()))


def _size(store: Store, manifest: Manifest) -> int:
    folder = store.path(manifest.table, manifest.partition, manifest.version)
    return sum(info["size"] for info in store.fs.find(folder, detail=True).values())


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("landing", type=Path)
    p.add_argument("folder", type=Path)
    p.add_argument("known", type=int)
    p.add_argument("--look-up", action="store_true")
    options = p.parse_args(arguments)
    store = Store(str(options.folder.resolve()))
    before = shift(DAY, -1) if options.known else None
    if before:
        # In a process of its own, so that its memory is not counted.
        maker = get_context("spawn").Process(target=commit_made_up_ids, args=(store, before, options.known))
        maker.start()
        maker.join()
    if options.look_up and before:
        time_look_up(store, before, options.known)
    else:
        time_day(store, str(options.landing.resolve()), before)
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
