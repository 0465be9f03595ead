"""Backfills through a real daemon: one that is killed in the middle, and one of models that go on from one another."""

import time
from collections import Counter

import dagster as dg
import pytest

from ctr_assets.definitions import defs
from ctr_assets.storage import Store
from ctr_assets.storage.window import check_window
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets_tests.daemon import Daemon
from ctr_assets_tests.deliveries import deliver_feed
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.private_dagster import BulkActionStatus, PartitionBackfill

DAYS = [f"2014-10-{day}" for day in range(21, 31)]
TABLES = ("raw_impressions", "impression_profile", "feature_vocabulary", "encoded_features")
WAIT_SECONDS = 900


def request_backfill(instance, backfill_id, days, assets):
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=backfill_id,
        asset_graph=defs.resolve_asset_graph(),
        partition_names=days,
        asset_selection=[dg.AssetKey(name) for name in assets],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)


@pytest.mark.minutes
@pytest.mark.timeout(3000)
def test_a_backfill_survives_the_death_of_its_daemon(tmp_path):
    landing, store = tmp_path / "landing", tmp_path / "store"
    deliver_feed(landing, DAYS)
    environment = {"CTR_AUTOMATION": "off", "CTR_LANDING_URL": str(landing), "CTR_STORE_URL": str(store)}
    with Daemon(tmp_path / "home", **environment) as daemon:
        request_backfill(daemon.instance, "tendays", DAYS, TABLES)
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


@pytest.mark.minutes
@pytest.mark.timeout(1200)
def test_models_are_made_in_order_each_from_the_one_before(tmp_path):
    """The days are asked for in any order; each is one run, and the runs wait for one another."""
    store, days = Store(str(tmp_path / "store")), DAYS[:3]
    write_days(store, days, rows_per_day=1200)
    (tmp_path / "landing").mkdir()
    environment = {
        "CTR_AUTOMATION": "off",
        "CTR_LANDING_URL": str(tmp_path / "landing"),
        "CTR_STORE_URL": store.url,
    }
    with Daemon(tmp_path / "home", **environment) as daemon:
        request_backfill(daemon.instance, "models", days[::-1], ["wide_deep_model"])
        daemon.wait_until(
            lambda: daemon.instance.get_backfill("models").status is not BulkActionStatus.REQUESTED, WAIT_SECONDS
        )
        assert daemon.instance.get_backfill("models").status is BulkActionStatus.COMPLETED_SUCCESS
        assert daemon.materialized() == Counter(("wide_deep_model", day) for day in days)
    starts = [store.manifest(WIDE_DEEP_MODEL, day).properties["start"] for day in days]
    assert [start["continued_days"] for start in starts] == [0, 1, 2]
