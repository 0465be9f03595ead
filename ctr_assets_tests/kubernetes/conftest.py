"""The fixtures of this folder's tests."""

import kubernetes.client
import pytest

from ctr_assets_tests.kubernetes.fixtures import api_server, gcs, gcs_emulator, operator
from ctr_assets_tests.kubernetes.server import FakeApiServer

__all__ = ["api_server", "gcs", "gcs_emulator", "operator"]


@pytest.fixture
def custom(api_server: FakeApiServer) -> kubernetes.client.CustomObjectsApi:
    return kubernetes.client.CustomObjectsApi(api_server.client())


@pytest.fixture
def core(api_server: FakeApiServer) -> kubernetes.client.CoreV1Api:
    return kubernetes.client.CoreV1Api(api_server.client())


@pytest.fixture
def batch(api_server: FakeApiServer) -> kubernetes.client.BatchV1Api:
    return kubernetes.client.BatchV1Api(api_server.client())
