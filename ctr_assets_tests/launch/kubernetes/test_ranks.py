"""When a rank other than 0 fails, its error leads: what rank 0 sees of it is only its end. On any cluster."""

import re

import pytest

from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.scripted import materialize

OF_RANK = {
    "pytorch": ("PyTorchJob", r"worker-{worker}: pytorch"),
    "trainjob": ("TrainJob", r"node-0-{rank}-[a-z]+: node"),
}


@pytest.fixture(params=OF_RANK)
def kind(request):
    return request.param


def ended(kind, rank):
    """How the end of a rank's container is told."""
    return OF_RANK[kind][1].format(rank=rank, worker=rank - 1) + " ended with exit code 5"


def test_the_error_of_the_rank_that_failed_first_comes_first(cluster, kind, instance):
    launcher = cluster.launcher(kind, pytorch={"workers": 2})
    told = show(materialize(launcher, instance, notes_url=cluster.notes.url, failing_rank=2))
    (resource,) = set(re.findall(rf"{OF_RANK[kind][0]} {cluster.namespace}/(\S+)", told))
    (end,) = re.findall(f"Pod {resource}-{ended(kind, 2)}", told)
    error = told.index("rank 2 has no memory left")
    assert told.index(end) < error < told.index("The process that reports said: connection reset by peer")
    assert not re.search(ended(kind, 1), told)


def test_the_error_of_rank_0_leads_when_it_failed_first(cluster, kind, instance):
    launcher = cluster.launcher(kind, pytorch={"workers": 1})
    told = show(materialize(launcher, instance, notes_url=cluster.notes.url, fails="bad data"))
    assert told.endswith("failed: bad data")
