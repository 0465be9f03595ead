"""The limits of pools on an instance that has never seen a run, with the real daemon."""

import os
import subprocess
import sys
from itertools import pairwise

import dagster as dg
import pytest
import yaml

from ctr_assets_tests.daemon import LAPTOP, Daemon
from ctr_assets_tests.deploy.files import DEPLOY

MODULE = "ctr_assets_tests.instance.pooled_definitions"
RUNS = 3


def queue_of_the_cluster():
    """The parts of production's instance that have to do with the queue."""
    production = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text())
    return yaml.safe_dump({part: production[part] for part in ("telemetry", "run_coordinator", "concurrency")})


def queue_runs(home):
    """All of them, before a daemon looks at the queue for the first time."""
    command = [sys.executable, "-m", "dagster", "job", "launch", "-m", MODULE, "-j", "pooled_job"]
    for _ in range(RUNS):
        subprocess.run(command, env={**os.environ, "DAGSTER_HOME": str(home)}, check=True, capture_output=True)


@pytest.mark.minutes
@pytest.mark.parametrize("instance", [LAPTOP, queue_of_the_cluster()], ids=["laptop", "cluster"])
def test_the_first_runs_of_a_pool_keep_its_limit(tmp_path, instance):
    daemon = Daemon(tmp_path / "home", MODULE, instance)
    queue_runs(daemon.home)
    with daemon:
        daemon.wait_until(lambda: len(daemon.runs(dg.DagsterRunStatus.SUCCESS)) == RUNS, 200)
        spans = sorted((r.start_time or 0.0, r.end_time or 0.0) for r in daemon.instance.get_run_records())
    for (_, ended), (started, _) in pairwise(spans):
        assert started >= ended
