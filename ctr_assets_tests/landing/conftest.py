"""Landing zones on a disk and in object storage (the GCS emulator)."""

import pytest

from ctr_assets_tests.kubernetes.fixtures import gcs, gcs_emulator, new_bucket
from ctr_assets_tests.kubernetes.gcs import GcsEmulator
from ctr_assets_tests.landing.places import InGcs, OnDisk

__all__ = ["gcs", "gcs_emulator", "gcs_in_memory", "place"]


@pytest.fixture
def gcs_in_memory(monkeypatch):
    """A bucket where an object may be called anything."""
    with GcsEmulator() as emulator:
        yield new_bucket(emulator, monkeypatch)


@pytest.fixture(params=["disk", "gcs"])
def place(request, tmp_path):
    if request.param == "disk":
        return OnDisk(tmp_path / "landing")
    return InGcs(request.getfixturevalue("gcs"))
