"""When a rank other than 0 fails, its error leads: what rank 0 sees of it is only its end. On any cluster."""

import re

from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.scripted import materialize


def test_the_error_of_the_rank_that_failed_first_comes_first(cluster, instance):
    launcher = cluster.launcher("pytorch", pytorch={"workers": 2})
    told = show(materialize(launcher, instance, notes_url=cluster.notes.url, failing_rank=2))
    (resource,) = set(re.findall(rf"PyTorchJob {cluster.namespace}/(\S+)", told))
    first = told.index(f"Pod {resource}-worker-1: pytorch ended with exit code 5")
    error = told.index("rank 2 has no memory left")
    assert first < error < told.index("The process that reports said: connection reset by peer")
    assert "worker-0: pytorch ended" not in told


def test_the_error_of_rank_0_leads_when_it_failed_first(cluster, instance):
    launcher = cluster.launcher("pytorch", pytorch={"workers": 1})
    told = show(materialize(launcher, instance, notes_url=cluster.notes.url, fails="bad data"))
    assert told.endswith("failed: bad data")
