"""A launch that is tried again, when it is the database that is away."""

import dagster as dg
import pytest

from ctr_assets.instance.run_launcher import PatientK8sRunLauncher
from ctr_assets.private_dagster import LaunchRunContext
from ctr_assets_tests.instance.cluster_daemon import instance_of
from ctr_assets_tests.instance.pooled_definitions import defs
from ctr_assets_tests.kubernetes.fixtures import api_server
from ctr_assets_tests.kubernetes.resources import JOBS

__all__ = ["api_server"]


@pytest.fixture
def instance(api_server, tmp_path):
    kubeconfig = api_server.kubeconfig(tmp_path / "kubeconfig", "ctr-assets")
    (tmp_path / "dagster.yaml").write_text(instance_of(kubeconfig, tmp_path, []))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_a_database_that_does_not_answer_settles_no_launch(instance, api_server, tmp_path):
    launcher = instance.run_launcher
    assert isinstance(launcher, PatientK8sRunLauncher)
    run = instance.create_run_for_job(defs.resolve_job_def("pooled_job"))
    context = LaunchRunContext(run, None)
    (tmp_path / "history").rename(tmp_path / "away")
    assert not launcher._is_settled(context)
    (tmp_path / "away").rename(tmp_path / "history")
    instance.report_run_canceled(run)
    assert launcher._is_settled(context)
    assert api_server.store.objects(JOBS) == []
