"""The landing zone in object storage."""

import fsspec
import pytest

from ctr_assets.automation.rules import WaitFor
from ctr_assets.landing.errors import LandingZoneError
from ctr_assets.landing.zone import LandingZone
from ctr_assets_tests.automation.watching import DAYS, Watched


@pytest.fixture
def fs(gcs):
    return fsspec.filesystem("gs")


@pytest.fixture
def watched(gcs):
    return Watched(f"{gcs.uri}/landing")


def test_new_changed_and_rewritten_objects(fs, gcs, watched):
    assert watched.look() == []
    path = f"{gcs.uri}/landing/day={DAYS[0]}/a.csv"
    fs.pipe_file(path, b"x")
    assert watched.settle() == [DAYS[0]]
    fs.pipe_file(path, b"y")
    assert watched.settle() == [DAYS[0]]
    assert watched.settle() == []
    fs.pipe_file(f"{gcs.uri}/landing/more/train.gz", b"x")
    assert watched.settle() == [(DAYS[0], DAYS[-1])]


def test_an_object_is_its_generation(fs, gcs):
    zone = LandingZone(f"{gcs.uri}/landing")
    fs.pipe_file(f"{gcs.uri}/landing/day={DAYS[0]}/a.csv", b"x")
    (seen,) = zone.delivery(zone.folders().days[DAYS[0]]).files
    info = fs.info(f"{gcs.uri}/landing/day={DAYS[0]}/a.csv")
    assert (seen.path, seen.size, seen.identity) == (f"day={DAYS[0]}/a.csv", 1, info["generation"])


def test_the_marker(fs, gcs, watched):
    watched.watch_by(wait_for=WaitFor.SUCCESS_MARKER)
    folder = f"{gcs.uri}/landing/day={DAYS[0]}"
    fs.pipe_file(f"{folder}/a.csv", b"x")
    assert watched.settle() == []
    fs.pipe_file(f"{folder}/_SUCCESS", b"")
    assert watched.look() == [DAYS[0]]
    fs.pipe_file(f"{folder}/b.csv", b"x")
    assert watched.settle() == []
    fs.pipe_file(f"{folder}/_SUCCESS", b"")
    assert watched.look() == [DAYS[0]]


def test_an_empty_bucket_is_empty_and_a_missing_one_an_error(gcs):
    assert Watched(gcs.uri).look() == []
    with pytest.raises(LandingZoneError, match="gs://no-such-bucket/landing does not exist"):
        Watched("gs://no-such-bucket/landing").look()
