"""How soon a run sees what happens on the cluster: ``python -m ctr_assets_tests.launch.kubernetes.latency [JOBS]``.

Against the fake API server. Measured for each kind of resource, over JOBS jobs (10) of three lines each: seconds from
the resource's turning terminal to the launcher's return, and from a line's being written by the job to its being in
the run's compute log.
"""

import re
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets_tests.kubernetes.fixtures import new_bucket
from ctr_assets_tests.kubernetes.gcs import GcsEmulator
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.resources import PYTORCH_JOBS, SPARK_APPLICATIONS, TRAIN_JOBS
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.kubernetes.cluster import KINDS, fake_cluster
from ctr_assets_tests.launch.kubernetes.leftovers import OBSERVE
from ctr_assets_tests.launch.scripted import materialize

JOBS = 10
LINES = 3
LINE = re.compile(r"line \d+ written at ([\d.]+)\n")
LOOK_SECONDS = 0.02
RESOURCES = {"spark": SPARK_APPLICATIONS, "pytorch": PYTORCH_JOBS, "trainjob": TRAIN_JOBS}


class Stopwatch:
    """Looks at the cluster and at the compute logs all the time, and notes when something is first seen."""

    def __init__(self, server: FakeApiServer, kind: str, logs: Path) -> None:
        self.server, self.kind, self.logs = server, kind, logs
        self.ended_at: dict[str, float] = {}
        self.line_seconds: dict[str, float] = {}
        self._is_stopped = threading.Event()

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._look_on)
        thread.start()
        try:
            yield self
        finally:
            self._is_stopped.set()
            thread.join()

    def _look_on(self) -> None:
        while not self._is_stopped.wait(LOOK_SECONDS):
            self._look_at_resources()
            self._look_at_logs()

    def _look_at_resources(self) -> None:
        for resource, obj in self.server.store.everything():
            if resource == RESOURCES[self.kind] and OBSERVE[self.kind](obj).phase.is_terminal:
                self.ended_at.setdefault(obj["metadata"]["name"], time.monotonic())

    def _look_at_logs(self) -> None:
        now = time.time()
        for file in self.logs.rglob("*.out"):
            for stamp in LINE.findall(file.read_text()):
                self.line_seconds.setdefault(stamp, now - float(stamp))


def measure(kind: str, jobs: int, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds to the return of each job's launcher, and to each line's appearance."""
    returned_at: list[float] = []
    execute = KubernetesLauncher.execute

    def timed(*args):
        try:
            return execute(*args)
        finally:
            returned_at.append(time.monotonic())

    with pytest.MonkeyPatch.context() as patch, GcsEmulator(folder / "gcs") as emulator, FakeApiServer() as server:
        patch.setattr(KubernetesLauncher, "execute", timed)
        cluster = fake_cluster(server, new_bucket(emulator, patch), folder)
        with (
            ScriptedOperator(server),
            dg.DagsterInstance.local_temp(str(folder)) as instance,
            Stopwatch(server, kind, folder).running() as seen,
        ):
            for _ in range(jobs):
                assert materialize(cluster.launcher(kind), instance, lines=LINES, seconds_a_line=0.4).success
    ended = sorted(seen.ended_at.values())
    assert (len(ended), len(returned_at), len(seen.line_seconds)) == (jobs, jobs, jobs * LINES)
    return [back - end for end, back in zip(ended, returned_at, strict=True)], list(seen.line_seconds.values())


def main(argv: list[str]) -> None:
    jobs = int(argv[0]) if argv else JOBS
    table = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            for what, seconds in zip(
                ("end to return", "line to compute log"), measure(kind, jobs, Path(folder)), strict=True
            ):
                table.append(
                    f"{kind:8} {what:20} n={len(seconds):3}  median {statistics.median(seconds):.2f} s  "
                    f"max {max(seconds):.2f} s\n"
                )
    sys.stdout.writelines(table)


if __name__ == "__main__":
    main(sys.argv[1:])
