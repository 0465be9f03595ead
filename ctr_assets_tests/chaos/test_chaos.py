"""The whole graph while everything that can happen to it on a cluster happens, at random from a seed.

``make test-long`` takes two minutes of faults. ``--chaos-seconds 3600`` takes an hour, ``--chaos-seeds 1,2,3`` these
seeds; the seed and what happened are printed.
"""

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from ctr_assets.defs.asset_jobs import ASSETS_OF_JOB
from ctr_assets.demo.generate import generate
from ctr_assets.launch.kubernetes.engines import PyTorchLauncher, SparkLauncher
from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets.storage import Store
from ctr_assets.tables import CHAMPION_MODEL, CURRENT, SERVING_MODEL
from ctr_assets_tests.chaos.faults import RUN_LABEL, Chaos
from ctr_assets_tests.chaos.overlaps import job_of, overlaps
from ctr_assets_tests.instance.cluster_daemon import ClusterDaemon
from ctr_assets_tests.kubernetes.fixtures import gcs_emulator, new_bucket
from ctr_assets_tests.kubernetes.gcs import GcsEmulator
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.resources import Json
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.kubernetes.cluster import fake_cluster
from ctr_assets_tests.launch.kubernetes.leftovers import Processes
from ctr_assets_tests.launch.test_process_launcher import wait_until
from ctr_assets_tests.test_whole_graph_on_kubernetes import SMALL, submit_arguments

__all__ = ["gcs_emulator"]

pytestmark = [pytest.mark.minutes, pytest.mark.timeout(7200)]
DAYS = ["2014-10-21", "2014-10-22"]
QUIET_SECONDS = 1200
"""How long the runs may take to end when the faults are over."""
MOMENT_SECONDS = 30.0
# Every loss is made good, so that every run must end well.
FORBEARING = {"lost_attempts": 100, "pending_limit_seconds": 600}
TWO_RANKS = {"workers": 1, "cpu": 1}
# Steps enough for two thousand rows that the model beats its baselines, and a checkpoint to go on from.
CONFIG = {**SMALL, "wide_deep_model": {"epochs": 2, "batch_size": 32}}
VERSION = re.compile(rb"\d{8}T\d{6}-[0-9a-f]{8}")
# What it says is of the moment: times, and the paths of versions.
NOT_COMPARED = ("evaluation_report",)


@dataclass(frozen=True)
class Ground:
    """A cluster, a store and a daemon of one's own."""

    daemon: ClusterDaemon
    store: Store
    launchers: list[KubernetesLauncher]

    def run(self, day: str) -> None:
        """Queue the whole graph for a day."""
        config = {"ops": {name: {"config": values} for name, values in CONFIG.items()}}
        self.daemon.queue("whole_graph", config, **{"dagster/partition": day, "dagster/max_retries": "100"})

    def groups(self) -> list[list[dg.DagsterRun]]:
        """Each run and its retries, oldest first."""
        found: dict[str, list[dg.DagsterRun]] = {}
        for record in self.daemon.records():
            run = record.dagster_run
            found.setdefault(run.root_run_id or run.run_id, []).append(run)
        return list(found.values())

    def is_quiet(self) -> bool:
        """Whether the last run of every group is over and will not be retried."""
        return all(self._is_over(runs[-1]) for runs in self.groups())

    def _is_over(self, run: dg.DagsterRun) -> bool:
        """That a failed run will be retried is told a moment after its failure."""
        if run.status is dg.DagsterRunStatus.SUCCESS or not run.is_finished:
            return run.is_finished
        record = self.daemon.instance.get_run_record_by_id(run.run_id)
        ended = (record and record.end_time) or time.time()
        return time.time() - ended > MOMENT_SECONDS and run.tags.get("dagster/will_retry") != "true"

    def fingerprints(self, day: str) -> dict[str, str]:
        """What the bytes of every table are after a day, but for the versions that they name.

        Each file is read and compared with its manifest.
        """
        found = {}
        for table in ASSETS_OF_JOB["whole_graph"]:
            if table in NOT_COMPARED:
                continue
            partition = CURRENT if table in (CHAMPION_MODEL, SERVING_MODEL) else day
            manifest = self.store.manifest(table, partition)
            for file in manifest.files:
                content = VERSION.sub(b"", self.store.read(manifest, file))
                found[f"{table}/{partition}/{file.name}"] = hashlib.sha256(content).hexdigest()
        return found

    def root_of(self, pod: Json) -> str | None:
        """The root of the run whose worker a pod is."""
        run_id = pod["metadata"]["labels"].get(RUN_LABEL)
        run = self.daemon.instance.get_run_by_id(run_id) if run_id else None
        return (run.root_run_id or run.run_id) if run else None


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    generate(rows=3_000, landing=folder / "landing", truth=folder / "truth", days=len(DAYS))
    return folder / "landing"


@contextmanager
def ground_of(landing: Path, emulator: GcsEmulator, folder: Path) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch, FakeApiServer() as server:
        bucket = new_bucket(emulator, patch)
        patch.setenv("PYSPARK_SUBMIT_ARGS", submit_arguments(bucket.environment["STORAGE_EMULATOR_HOST"]))
        store = Store(f"{bucket.uri}/store")
        store.fs.put(str(landing), f"{bucket.name}/landing", recursive=True)
        fake = fake_cluster(server, bucket, folder)
        parts: dict[str, dict[str, object]] = {
            "cluster": {**FORBEARING, "storage_emulator_url": emulator.url},
            "pytorch": {**TWO_RANKS},
        }
        cluster = replace(fake, settings=parts)
        connection = cluster.connection()
        launchers: list[KubernetesLauncher] = [SparkLauncher(**connection), PyTorchLauncher(**connection)]
        environment = {
            "CTR_DEPLOYMENT": "kubernetes",
            "CTR_LANDING_URL": f"{bucket.uri}/landing",
            "CTR_STORE_URL": store.url,
            "CTR_LAST_DAY": DAYS[-1],
        }
        daemon = ClusterDaemon(cluster, server, folder / "home", "ctr_assets.definitions", **environment)
        with ScriptedOperator(server), daemon:
            yield Ground(daemon, store, launchers)


def materialize(ground: Ground, goes_on: Callable[[], bool] = lambda: True) -> list[dict[str, str]]:
    """Day after day, each to its end, the first and while it ``goes_on``: what each has made."""
    made: list[dict[str, str]] = []
    for day in DAYS:
        if not made or goes_on():
            ground.run(day)
            ground.daemon.await_(ground.is_quiet, QUIET_SECONDS)
            assert {runs[-1].status.value for runs in ground.groups()} == {"SUCCESS"}
            made.append(ground.fingerprints(day))
    return made


@pytest.fixture(scope="module")
def unbroken(
    landing: Path, gcs_emulator: GcsEmulator, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, str]]:
    """What unbroken runs make."""
    with ground_of(landing, gcs_emulator, tmp_path_factory.mktemp("unbroken")) as ground:
        made = materialize(ground)
        assert [[run.status.value for run in runs] for runs in ground.groups()] == [["SUCCESS"]] * len(DAYS)
        return made


def test_the_whole_graph_through_chaos(
    landing: Path,
    gcs_emulator: GcsEmulator,
    unbroken: list[dict[str, str]],
    chaos_seed: int,
    chaos_seconds: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sys.stdout.write(f"\nchaos: seed {chaos_seed}, {chaos_seconds:.0f} s\n")
    processes = Processes()
    monkeypatch.setenv(processes.variable, processes.mark)
    with ground_of(landing, gcs_emulator, tmp_path) as ground:
        with Chaos(ground.daemon, chaos_seed).ending_after(chaos_seconds) as chaos:
            try:
                made = materialize(ground, lambda: chaos.lasts)
            finally:
                show(chaos, ground)
        for of_day, expected in zip(made, unbroken, strict=False):
            assert of_day.keys() == expected.keys()
            assert {name for name in of_day if of_day[name] != expected[name]} == set()
        assert overlaps(ground.daemon.server, job_of) == []
        assert overlaps(ground.daemon.server, ground.root_of) == []
        wait_until(lambda: ground.daemon.workers() == [], QUIET_SECONDS)
        for launcher in ground.launchers:
            list(launcher.sweep(ground.daemon.instance, now=time.time() + 3600))
            assert launcher.client().find("") == []
        assert ground.daemon.cluster.messages() == []
        ground.daemon.stop()
    wait_until(lambda: processes.alive() == [], 60)


def show(chaos: Chaos, ground: Ground) -> None:
    groups = ground.groups()
    lines = [f"  {count:3} x {fault}" for fault, count in sorted(chaos.happened.items())]
    lines.append(f"  runs {sum(map(len, groups))} for {len(groups)} asked for, run workers {ground.daemon.jobs_made()}")
    lines.append(f"  custom resources {ground.daemon.resources_made()}")
    sys.stdout.write("\n".join(lines) + "\n")
