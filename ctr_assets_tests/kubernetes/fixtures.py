"""The fixtures of the fake cluster, for any conftest to import."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import fsspec
import gcsfs
import pytest

from ctr_assets_tests.kubernetes.gcs import GcsEmulator
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.server import FakeApiServer

_BUCKET_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class GcsBucket:
    """An empty bucket; `environment` is what a process needs to reach it."""

    name: str
    uri: str
    environment: dict[str, str]


@pytest.fixture
def api_server() -> Iterator[FakeApiServer]:
    """An empty fake API server in which every namespace exists."""
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def operator(api_server: FakeApiServer) -> Iterator[ScriptedOperator]:
    """Both operators and the Job controller of `api_server`; they really run the containers' commands."""
    with ScriptedOperator(api_server) as scripted:
        yield scripted


@pytest.fixture(scope="session")
def gcs_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsEmulator]:
    """One for the session: gcsfs keeps its first connection, so the port must not change."""
    with GcsEmulator(tmp_path_factory.mktemp("gcs")) as emulator:
        yield emulator


@pytest.fixture
def gcs(gcs_emulator: GcsEmulator, monkeypatch: pytest.MonkeyPatch) -> GcsBucket:
    """A new bucket, with this process and its children pointed at the emulator."""
    return new_bucket(gcs_emulator, monkeypatch)


def new_bucket(gcs_emulator: GcsEmulator, monkeypatch: pytest.MonkeyPatch) -> GcsBucket:
    """What `gcs` gives, for fixtures of a wider scope."""
    for name, value in gcs_emulator.environment.items():
        monkeypatch.setenv(name, value)
    # gcsfs reads GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT when it is imported, which is long before this: without these lines
    # it stalls 60 s per bucket.
    monkeypatch.setattr(gcsfs, "GCSFileSystem", gcsfs.core.GCSFileSystem)
    for protocol in ("gs", "gcs"):
        fsspec.register_implementation(protocol, gcsfs.core.GCSFileSystem, clobber=True)
    bucket = f"test-bucket-{next(_BUCKET_NUMBERS)}"
    return GcsBucket(bucket, gcs_emulator.create_bucket(bucket), gcs_emulator.environment)
