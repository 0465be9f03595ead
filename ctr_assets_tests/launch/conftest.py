"""Every launcher, ready to launch the scripted job, on a fake cluster and, where there is one, on a real one."""

import os

import dagster as dg
import pytest

from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets_tests.kubernetes.fixtures import api_server, gcs, gcs_emulator, operator
from ctr_assets_tests.kubernetes.resources import JOB_SETS
from ctr_assets_tests.launch.kubernetes.cluster import fake_cluster, missing_variables, real_cluster
from ctr_assets_tests.launch.kubernetes.leftovers import Processes, nothing_left_behind
from ctr_assets_tests.launch.scripted_job import Notes
from ctr_assets_tests.launch.test_process_launcher import ScriptedProcessLauncher
from ctr_assets_tests.launch.troubles import Place

__all__ = ["api_server", "gcs", "gcs_emulator", "operator"]

ON_A_REAL_CLUSTER = pytest.mark.cluster


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def processes(monkeypatch):
    """What this test starts from here on carries a mark."""
    processes = Processes()
    monkeypatch.setenv(processes.variable, processes.mark)
    return processes


@pytest.fixture
def fake(request, api_server, operator, gcs, processes, tmp_path):
    """The fake cluster. At the end nothing may be left on it but what ``@pytest.mark.leaves_resources`` allows."""
    cluster = fake_cluster(api_server, gcs, tmp_path)
    with nothing_left_behind(cluster, processes, bool(request.node.get_closest_marker("leaves_resources"))):
        yield cluster


@pytest.fixture
def real(request, processes, tmp_path):
    """Your cluster, under the same rule."""
    if missing := missing_variables(os.environ):
        pytest.skip(f"no cluster to test on: set {', '.join(missing)} (deploy/README.md)")
    cluster = real_cluster(os.environ, tmp_path)
    with nothing_left_behind(cluster, processes, bool(request.node.get_closest_marker("leaves_resources"))):
        yield cluster


@pytest.fixture(params=["fake", pytest.param("real", marks=ON_A_REAL_CLUSTER)])
def cluster(request):
    """Either cluster: what a test of this fixture shows must hold on both."""
    return request.getfixturevalue(request.param)


def ran_again(server):
    """TrainJobs that made a second JobSet: somebody took the first away, and they ran again."""
    made = [one.object for one in server.store.changes_after(0) if (one.resource, one.type) == (JOB_SETS, "ADDED")]
    owners = [owner["uid"] for job_set in made for owner in job_set["metadata"].get("ownerReferences", [])]
    return [uid for uid in set(owners) if owners.count(uid) > 1]


@pytest.fixture(
    params=[
        "process",
        "spark",
        "pytorch",
        "trainjob",
        pytest.param("spark on a real cluster", marks=ON_A_REAL_CLUSTER),
        pytest.param("pytorch on a real cluster", marks=ON_A_REAL_CLUSTER),
        pytest.param("trainjob on a real cluster", marks=ON_A_REAL_CLUSTER),
    ]
)
def launcher(request):
    """The launchers of the conformance suite: a child process, a SparkApplication, a PyTorchJob, a TrainJob."""
    kind, _, where = request.param.partition(" on ")
    if kind == "process":
        yield ScriptedProcessLauncher()
        return
    cluster = request.getfixturevalue("real" if where else "fake")
    if kind not in cluster.kinds:
        pytest.skip(f"the cluster has no {kind}: set CTR_TEST_KINDS (deploy/README.md)")
    yield cluster.launcher(kind)
    if not where:
        assert ran_again(request.getfixturevalue("api_server")) == []


@pytest.fixture
def place(request, launcher, tmp_path):
    """Where that launcher launches."""
    if not isinstance(launcher, KubernetesLauncher):
        return Place(launcher, Notes(str(tmp_path)), None)
    is_real = "real" in request.node.callspec.params["launcher"]
    cluster = request.getfixturevalue("real" if is_real else "fake")
    return Place(launcher, cluster.notes, None if is_real else request.getfixturevalue("api_server"))
