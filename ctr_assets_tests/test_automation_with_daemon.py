"""The whole automation by itself: a real daemon, its code server and its runs, from files that appear to a champion."""

import csv
import gzip
import shutil
from collections import Counter

import pytest

from ctr_assets.defs.asset_jobs import ASSETS_OF_JOB
from ctr_assets.demo.generate import generate
from ctr_assets.storage import Store
from ctr_assets_tests.daemon import Daemon

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]
IDLE_SECONDS = 900
"""How long to wait at most; on two quiet cores each wait takes under a minute."""


def materializations(job, *days):
    assets = [name for name in ASSETS_OF_JOB[job] if name != "champion_model"]
    found = Counter((name, day) for name in assets for day in days)
    return found + Counter([("champion_model", None)] if job == "models" else [])


@pytest.fixture
def deliveries(tmp_path):
    """Two deliveries of three days: the same days, other impressions."""
    for seed in (1, 2):
        generate(rows=18_000, landing=tmp_path / f"made{seed}", truth=tmp_path / "truth", days=3, seed=seed)
    return tmp_path


def deliver(made, landing, day):
    shutil.copytree(made / f"day={day}", landing / f"day={day}", dirs_exist_ok=True)


def deliver_unlabelled_archive(made, landing, day):
    """The day as Kaggle's test.gz is: one archive, without the column ``click``."""
    rows = list(csv.DictReader((made / f"day={day}/impressions.csv").open()))
    with gzip.open(landing / "test.gz.tmp", "wt") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "click"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    (landing / "test.gz.tmp").rename(landing / "test.gz")


@pytest.mark.minutes
@pytest.mark.timeout(3000)
def test_from_files_to_a_champion_and_through_a_late_correction(deliveries, tmp_path):
    first, second, landing, store = (tmp_path / name for name in ("made1", "made2", "landing", "store"))
    landing.mkdir()
    for day in DAYS[:2]:
        deliver(first, landing, day)
    environment = {
        "CTR_AUTOMATION": "on",
        "CTR_SENSOR_SECONDS": "1",
        "CTR_SETTLE_SECONDS": "1",
        "CTR_LANDING_URL": str(landing),
        "CTR_STORE_URL": str(store),
        "CTR_LAST_DAY": DAYS[2],
        # Two trees: fitting the default's is most of the time of a run this small.
        "CTR_TRAINING_LAUNCHPAD": '{"gbt_baseline": {"max_iter": 2, "max_depth": 2}}',
    }
    with Daemon(tmp_path / "home", **environment) as daemon:
        daemon.wait_until_idle(IDLE_SECONDS)
        expected = materializations("new_day", *DAYS[:2]) + materializations("models", DAYS[1])
        assert daemon.materialized() == expected
        champion = Store(str(store)).manifest("champion_model", "current")
        assert champion.properties["day"] == DAYS[1]

        # The first day is delivered again: itself, what continues it, and the model that learnt from it.
        deliver(second, landing, DAYS[0])
        daemon.wait_until_idle(IDLE_SECONDS)
        expected += materializations("new_day", DAYS[0])
        expected += materializations("features", DAYS[1]) + materializations("models", DAYS[1])
        assert daemon.materialized() == expected
        validation = Store(str(store)).manifest("champion_validation", DAYS[0]).properties
        assert validation["champion_day"] == DAYS[1]

        # An archive may hold any day: one run of all of them. Only the last has new rows, and none has a label.
        deliver_unlabelled_archive(second, landing, DAYS[2])
        daemon.wait_until_idle(IDLE_SECONDS)
        assert daemon.materialized() == expected + materializations("new_day", *DAYS)
        jobs = [run.job_name for run in reversed(daemon.instance.get_runs())]
        assert jobs == ["new_day", "new_day", "models", "new_day", "features", "models", "new_day"]
