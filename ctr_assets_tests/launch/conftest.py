"""Every launcher, ready to launch the scripted job."""

import dagster as dg
import pytest

from ctr_assets_tests.kubernetes.fixtures import api_server, gcs, gcs_emulator, operator
from ctr_assets_tests.launch.kubernetes.cluster import launcher_of
from ctr_assets_tests.launch.test_process_launcher import ScriptedProcessLauncher

__all__ = ["api_server", "gcs", "gcs_emulator", "operator"]


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(params=["process", "spark", "pytorch"])
def launcher(request, tmp_path):
    """The launchers of the conformance suite: a child process, a SparkApplication, a PyTorchJob."""
    if request.param == "process":
        return ScriptedProcessLauncher()
    server, bucket = request.getfixturevalue("api_server"), request.getfixturevalue("gcs")
    request.getfixturevalue("operator")
    return launcher_of(request.param, server, tmp_path, bucket.name)
