"""A backfill of ten days through a real daemon that is killed in the middle: everything is there, exactly once."""

import time
from collections import Counter

import dagster as dg
import pytest

# Private in 1.13: what the UI's backfill dialogue writes. There is no public way to ask for one in Python.
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from ctr_assets.definitions import defs
from ctr_assets.storage import Store
from ctr_assets.storage.window import check_window
from ctr_assets_tests.daemon import Daemon
from ctr_assets_tests.deliveries import deliver_feed

DAYS = [f"2014-10-{day}" for day in range(21, 31)]
TABLES = ("raw_impressions", "impression_profile", "feature_vocabulary", "encoded_features")
WAIT_SECONDS = 900


def request_backfill(instance):
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="tendays",
        asset_graph=defs.resolve_asset_graph(),
        partition_names=DAYS,
        asset_selection=[dg.AssetKey(name) for name in TABLES],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_backfill_survives_the_death_of_its_daemon(tmp_path):
    landing, store = tmp_path / "landing", tmp_path / "store"
    deliver_feed(landing, DAYS)
    environment = {"CTR_AUTOMATION": "off", "CTR_LANDING_URL": str(landing), "CTR_STORE_URL": str(store)}
    with Daemon(tmp_path / "home", **environment) as daemon:
        request_backfill(daemon.instance)
        daemon.wait_until(lambda: daemon.runs(dg.DagsterRunStatus.STARTED), WAIT_SECONDS)
        daemon.kill_daemon_alone()
        daemon.start()
        daemon.wait_until(
            lambda: daemon.instance.get_backfill("tendays").status is not BulkActionStatus.REQUESTED, WAIT_SECONDS
        )
        assert daemon.instance.get_backfill("tendays").status is BulkActionStatus.COMPLETED_SUCCESS
        assert daemon.materialized() == Counter((name, day) for name in TABLES for day in DAYS)
        # Each of these assets takes all its days in one run: a Spark session a day would cost ten times as much.
        for name in TABLES:
            runs = {record.run_id for record in daemon.materializations(name)}
            assert len(runs) == 1, name
    encoded = check_window(Store(str(store)), DAYS[-1], DAYS)
    assert [manifest.partition for manifest in encoded] == DAYS
