"""Our table building, all days in one go on one local session.

``python -m ctr_assets_tests.benchmarks.tables_ours LANDING_FOLDER STORE_FOLDER --first-day 2014-10-21 --days 10``
"""

import argparse
from pathlib import Path

from ctr_assets.days import shift
from ctr_assets.etl.encode import encode
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.vocabulary import build
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session
from ctr_assets.storage import Store
from ctr_assets_tests.benchmarks.clock import Clock

MAX_QUARANTINED_SHARE = 0.01
"""The job's default."""


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("landing", type=Path)
    p.add_argument("store", type=Path)
    p.add_argument("--first-day", default="2014-10-21", help="default: %(default)s")
    p.add_argument("--days", type=int, default=10)
    p.add_argument("--previous-day", help="the day before the first, where the store holds its vocabulary already")
    options = p.parse_args(arguments)
    days = [shift(options.first_day, n) for n in range(options.days)]
    store, landing = Store(str(options.store.resolve())), str(options.landing.resolve())
    who = {"benchmark": "tables_ours"}
    spark = start_session(LOCAL_SPARK_CONFIG)
    clock = Clock()
    with clock.step("raw_impressions"):
        ingest(spark, store, landing, days, max_quarantined_share=MAX_QUARANTINED_SHARE, created_by=who)
    with clock.step("feature_vocabulary"):
        build(spark, store, days, options.previous_day, {}, who)
    with clock.step("encoded_features"):
        encoded = encode(spark, store, days, who).values()
    clock.report("ours", sum(m.rows for m in encoded), sum(m.bytes for m in encoded))
    spark.stop()


if __name__ == "__main__":
    main()
