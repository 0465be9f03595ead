"""The landing zone and the store are told apart before anything is read or written."""

import fsspec
import pytest
from pydantic import ValidationError

from ctr_assets.defs.places import Places
from ctr_assets.jobs.raw_impressions import Params, run
from ctr_assets.landing.apart import check_apart
from ctr_assets.landing.errors import LandingError

TOGETHER = [
    ("/data/x", "/data/x", "in the same place as"),
    ("/data/x", "file:///data/x/", "in the same place as"),
    ("/data/x", "/data/y/../x", "in the same place as"),
    ("/data", "/data/store", "around"),
    ("/data/store/landing", "/data/store", "within"),
    ("/", "/data/store", "around"),
    ("gs://b/x", "gs://b/x/", "in the same place as"),
    ("gs://b", "gs://b/store", "around"),
    ("gs://b/ctr/landing", "gs://b/ctr", "within"),
]
APART = [
    ("/data/landing", "/data/store"),
    ("/data/x", "/data/xy"),
    ("/data/a::b", "/data/a"),
    ("gs://b/x", "gs://b/xy"),
    ("gs://b", "gs://b2/store"),
    ("gs://data/x", "/data/x"),
    ("gs://b/y/../x", "gs://b/x"),
]


@pytest.mark.parametrize(("landing", "store", "relation"), TOGETHER)
def test_places_that_are_not_apart_are_both_named(landing, store, relation):
    with pytest.raises(LandingError, match=rf"The landing zone {landing} is {relation} the store {store}: set CTR_LAN"):
        check_apart(landing, store)


@pytest.mark.parametrize(("landing", "store"), APART)
def test_places_that_are_apart(landing, store):
    check_apart(landing, store)


def test_no_client_of_object_storage_is_made(monkeypatch):
    monkeypatch.setattr(fsspec, "filesystem", None)
    check_apart("gs://b/landing", "gs://b/store")


def test_links_are_what_they_stand_for(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "store")
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(LandingError, match="in the same place as"):
        check_apart(str(tmp_path / "data"), str(tmp_path / "store"))
    with pytest.raises(LandingError, match="around"):
        check_apart(str(tmp_path / "data"), str(tmp_path / "loop" / "store" / "deep"))


def test_a_job_does_not_begin(tmp_path):
    params = Params(
        store_url=f"{tmp_path}/landing/store", landing_url=f"{tmp_path}/landing", days=["2014-10-21"], created_by={}
    )
    with pytest.raises(LandingError, match="is around the store"):
        run(params, report=None, spark=None)  # type: ignore[arg-type]
    assert not (tmp_path / "landing").exists()


@pytest.mark.parametrize(("landing", "store", "relation"), TOGETHER)
def test_places_of_a_deployment_are_apart_when_it_is_loaded(landing, store, relation):
    Places(landing_url="", store_url=store)
    with pytest.raises(ValidationError, match=rf"The landing zone {landing} is {relation} the store {store}: "):
        Places(landing_url=landing, store_url=store)
