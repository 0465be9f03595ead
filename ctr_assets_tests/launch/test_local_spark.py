"""The launch path on the run's own Spark session: the same report and the same errors as through a process."""

import dagster as dg
import pytest

from ctr_assets.defs import ingest
from ctr_assets.defs.places import Places
from ctr_assets.launch.local_spark import LocalSparkLauncher
from ctr_assets_tests.deliveries import deliver, deliver_feed, impressions

DAYS = ["2014-10-21", "2014-10-22"]


@pytest.fixture
def run(spark, tmp_path):
    """Materialize assets of stage 1 over a range of days; every call is a run of its own on the shared session."""
    resources = {
        "places": Places(landing_url=str(tmp_path / "landing"), store_url=str(tmp_path / "store")),
        "spark_launcher": LocalSparkLauncher(),
    }

    def materialize(instance, days=DAYS):
        tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
        assets = [ingest.raw_impressions, ingest.impression_profile]
        return dg.materialize(assets, instance=instance, resources=resources, tags=tags, raise_on_error=False)

    return materialize


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_two_jobs_of_one_run_report_every_day(run, instance, tmp_path):
    deliver_feed(tmp_path / "landing", DAYS, 50)
    assert run(instance).success
    for asset in ("raw_impressions", "impression_profile"):
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(DAYS)


def test_a_failing_job_fails_the_step_with_its_own_words(run, instance, tmp_path):
    deliver(tmp_path / "landing", "train.csv", impressions(DAYS[0], 5), ["id", "hour"])
    result = run(instance)
    (failure,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    assert "NotAnImpressionLogError" in str(failure.step_failure_data.error)
    assert "train.csv: the header lacks C1, banner_pos" in str(failure.step_failure_data.error)
    assert instance.get_materialized_partitions(dg.AssetKey("raw_impressions")) == set()


def test_a_second_run_after_a_failure_succeeds(run, instance, tmp_path):
    assert not run(instance).success
    deliver_feed(tmp_path / "landing", DAYS, 20)
    assert run(instance).success
