"""An asset of the pool ``gpu`` that takes a moment, for the tests of the queue."""

import time

import dagster as dg


@dg.asset(pool="gpu")
def pooled() -> None:
    time.sleep(5)


defs = dg.Definitions(
    assets=[pooled], jobs=[dg.define_asset_job("pooled_job", [pooled])], executor=dg.in_process_executor
)
