"""A whole ingest of a delivery whose names hold whatever a name may hold, on a disk and in object storage."""

import gzip
import zipfile
from io import BytesIO

import pytest

from ctr_assets.etl.raw import ingest
from ctr_assets.landing.errors import LandingError
from ctr_assets.storage import Store
from ctr_assets.tables import QUARANTINE, RAW_IMPRESSIONS
from ctr_assets_tests.deliveries import impressions, to_csv
from ctr_assets_tests.landing.places import AWKWARD_NAMES, InGcs, OnDisk

DAYS = ["2014-10-21", "2014-10-22"]


@pytest.fixture(params=["disk", "gcs"])
def places(request, tmp_path, spark, monkeypatch):
    """A landing zone and a store, whose own names are awkward too."""
    if request.param == "disk":
        return OnDisk(tmp_path / "land::ing *"), Store(str(tmp_path / "st::ore [1]"))
    bucket = request.getfixturevalue("gcs")
    for name, value in bucket.environment.items():
        monkeypatch.setitem(spark.sparkContext.environment, name, value)  # of the tasks' processes
    return InGcs(bucket, "land::ing *"), Store(f"{bucket.uri}/st::ore [1]")


def zipped(name, data):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def test_every_row_of_every_file_comes_in_once(spark, places):
    place, store = places
    names = [f"{folder}{name}" for name in AWKWARD_NAMES for folder in (f"day={DAYS[0]}/", f"{name}/")]
    packs = (bytes, gzip.compress, lambda data: zipped("line\nbreak.csv", data))
    for seed, name in enumerate(names):
        rows = impressions(DAYS[0], 3, seed=seed)
        rows[0]["click"] = "2"
        place.put(name, packs[seed % len(packs)](to_csv(rows)))
    done = ingest(spark, store, place.url, DAYS, max_quarantined_share=0.5, created_by={})
    day = done.days[DAYS[0]]
    assert day.raw.rows == 2 * len(names)
    assert len(day.accounts) == len(names)
    assert all(account.closes and account.source.isprintable() for account in day.accounts)
    assert store.manifest(RAW_IMPRESSIONS, DAYS[0]) == day.raw
    rejected = store.manifest(QUARANTINE, DAYS[0])
    sources = [name for file in rejected.files for name in store.parquet(rejected, file).read()["file"].to_pylist()]
    assert sorted(sources) == sorted(account.source for account in day.accounts)


def test_a_file_that_changes_between_planning_and_reading_commits_nothing(spark, places, monkeypatch):
    place, store = places
    place.put("a::b.csv", to_csv(impressions(DAYS[0], 50)))
    from ctr_assets.etl import raw
    from ctr_assets.etl.plan import plan_tasks

    def plan_and_deliver_again(files):
        plan = plan_tasks(files)
        place.replace("a::b.csv", to_csv(impressions(DAYS[0], 50, seed=1)))
        return plan

    monkeypatch.setattr(raw, "plan_tasks", plan_and_deliver_again)
    with pytest.raises(LandingError, match=r"a::b\.csv: changed while it was read: .* Run the day again when"):
        ingest(spark, store, place.url, DAYS, max_quarantined_share=0.5, created_by={})
    assert store.find(RAW_IMPRESSIONS, DAYS[0]) is None
