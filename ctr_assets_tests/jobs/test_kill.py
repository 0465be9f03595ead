"""kill -9 of a Spark job at any point leaves every table as it was, and a re-run gives the tables of an unbroken run.

The kill takes the whole process group: the driver, its JVM and the Python workers, as a lost machine does. Training has
the same test beside it (``training/test_train.py``).
"""

import json
import os
import random
import subprocess
import sys

import pytest

from ctr_assets.jobs.__main__ import run_job
from ctr_assets.jobs.report import SilentReport
from ctr_assets.launch.java import find_java_home
from ctr_assets.storage import Store
from ctr_assets_tests.deliveries import deliver, deliver_feed, impressions

pytestmark = pytest.mark.long

DAYS = ["2014-10-21", "2014-10-22"]
TABLES = ("raw_impressions", "impression_profile", "feature_vocabulary", "encoded_features")


class Pipeline:
    """The four table jobs on one landing zone and one store."""

    def __init__(self, home):
        self.landing, self.store = home / "landing", Store(str(home / "store"))

    def params(self, name):
        common = {"store_url": self.store.url, "days": DAYS}
        own: dict[str, dict] = {
            "raw_impressions": {"landing_url": str(self.landing)},
            "feature_vocabulary": {"previous_day": None},
        }
        return json.dumps({**common, **own.get(name, {})})

    def run(self, name):
        run_job(name, self.params(name), SilentReport())

    def run_killed(self, name, point):
        environment = {
            **os.environ,
            "PYSPARK_PYTHON": sys.executable,
            "JAVA_HOME": find_java_home(),
            "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false --conf spark.driver.memory=512m "
            "--conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 pyspark-shell",
        }
        command = [sys.executable, "-m", "ctr_assets_tests.jobs.killed_job", point, name, self.params(name)]
        killed = subprocess.run(command, env=environment, start_new_session=True, capture_output=True, text=True)
        assert killed.returncode == -9, killed.stderr[-2000:]

    def fingerprints(self):
        """What a reader sees: the content of every table of every day, each file read in full."""
        found = {}
        for table in TABLES:
            for day in DAYS:
                manifest = self.store.manifest(table, day)
                for file in manifest.files:
                    self.store.read(manifest, file)
                found[table, day] = manifest.content_fingerprint
        return found


@pytest.fixture(scope="module")
def pipeline(spark, tmp_path_factory):
    """A first delivery, all tables made of it; then a second delivery has arrived and no job has seen it yet."""
    pipeline = Pipeline(tmp_path_factory.mktemp("killed"))
    deliver_feed(pipeline.landing, DAYS, 300)
    for name in TABLES:
        pipeline.run(name)
    deliver(pipeline.landing, f"day={DAYS[0]}/more.csv", impressions(DAYS[0], 200, seed=5))
    return pipeline


@pytest.fixture(scope="module")
def unbroken(spark, pipeline, tmp_path_factory):
    """The tables of both deliveries, made in another store without any kill."""
    other = Pipeline(tmp_path_factory.mktemp("unbroken"))
    other.landing = pipeline.landing
    for name in TABLES:
        other.run(name)
    return other.fingerprints()


POINTS = {
    "raw_impressions": "before-manifest:0",
    "impression_profile": "before-manifest:1",
    "feature_vocabulary": "after-part:1",
    "encoded_features": "before-manifest:0",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_kill_between_data_and_manifest_then_a_re_run_gives_the_unbroken_tables(pipeline, unbroken, name):
    before = pipeline.fingerprints()
    pipeline.run_killed(name, POINTS[name])
    after = pipeline.fingerprints()
    # Days are committed one by one: those whose manifest was replaced before the kill are new, whole, and right.
    assert all(after[key] in (before[key], unbroken[key]) for key in after)
    pipeline.run(name)
    done = TABLES[: TABLES.index(name) + 1]
    assert all(pipeline.fingerprints()[table, day] == unbroken[table, day] for table in done for day in DAYS)


def test_a_kill_at_a_random_moment_then_a_re_run_gives_the_same_tables(pipeline, unbroken):
    for name in TABLES:
        pipeline.run(name)
    assert pipeline.fingerprints() == unbroken
    # Spark's own start takes most of the first seconds: the kill may come before, in or between the job's stages.
    name, moment = random.choice(TABLES), random.uniform(0.5, 6.0)
    pipeline.run_killed(name, f"after-seconds:{moment}")
    assert pipeline.fingerprints() == unbroken, f"{name} was killed after {moment:.2f} s"
    pipeline.run(name)
    assert pipeline.fingerprints() == unbroken
