"""What a cluster does to whoever runs on it, at random moments from a seed."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

import dagster as dg

from ctr_assets_tests.instance.cluster_daemon import ClusterDaemon
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.garbage import DeleteOptions
from ctr_assets_tests.kubernetes.pod_states import is_running
from ctr_assets_tests.kubernetes.resources import PODS, PYTORCH_JOBS, SPARK_APPLICATIONS, Json

LONGEST_PAUSE_SECONDS = 5.0
LONGEST_OUTAGE_SECONDS = 8.0
RUN_LABEL = "dagster/run-id"
JOB_LABEL = "ctr-assets/asset"
KINDS = ("jobs", "sparkapplications", "pytorchjobs")
OWNERS = {resource.kind: resource for resource in (SPARK_APPLICATIONS, PYTORCH_JOBS)}


class Chaos:
    """Lets faults happen inside its block, and mends all at its end. ``happened`` counts them by kind.

    ``lasts``: whether there are more to come.
    """

    def __init__(self, daemon: ClusterDaemon, seed: int) -> None:
        self.daemon, self.server, self.chance = daemon, daemon.server, random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.lasts = True
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos")
        self._seconds = 0.0
        self._errors: list[Exception] = []

    def ending_after(self, seconds: float) -> Self:
        """Its faults end after so long, the block when it will."""
        self._seconds = seconds
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        if self._errors:
            raise RuntimeError("a fault failed") from self._errors[0]

    def _run(self) -> None:
        deadline = time.monotonic() + self._seconds
        faults = self._faults()
        while not self._is_over.wait(self.chance.uniform(0.5, LONGEST_PAUSE_SECONDS)) and time.monotonic() < deadline:
            name = self.chance.choice(sorted(faults))
            try:
                if faults[name]():
                    self.happened[name] += 1
            except Exception as e:
                self._errors.append(e)
                break
        self.lasts = False
        self.server.clear_faults()

    def _faults(self) -> dict[str, Callable[[], bool]]:
        """Each tells whether it found something to happen to."""
        return {
            "API server away": self._away,
            "errors of the API server": self._errors_of_the_server,
            "answers lost": self._answers_lost,
            "log streams cut": self._log_streams_cut,
            "quota used up": self._quota,
            "job's pod evicted": lambda: self._take_pod(JOB_LABEL, "evict"),
            "job's pod deleted": lambda: self._take_pod(JOB_LABEL, "delete"),
            "job's pod lost": lambda: self._take_pod(JOB_LABEL, "force"),
            "job preempted by a queue": self._preempt,
            "run worker's pod evicted": lambda: self._take_pod(RUN_LABEL, "evict"),
            "run worker's pod lost": lambda: self._take_pod(RUN_LABEL, "force"),
            "run failed while its worker lives": self._fail_run,
        }

    def _away(self) -> bool:
        with self.server.away():
            self._is_over.wait(self.chance.uniform(0.5, LONGEST_OUTAGE_SECONDS))
        return True

    def _errors_of_the_server(self) -> bool:
        self.server.fail_next(self.chance.randint(1, 8), status=self.chance.choice([429, 500, 502, 503, 504]))
        return True

    def _answers_lost(self) -> bool:
        self.server.lose_answers(self.chance.randint(1, 3), method=self.chance.choice(["POST", "DELETE", "GET"]))
        return True

    def _log_streams_cut(self) -> bool:
        cut = self.chance.randrange(5)
        self.server.drop_log_streams(
            cut, self.chance.randint(1, 5), self.chance.randrange(40), self.chance.random() < 0.5
        )
        return True

    def _quota(self) -> bool:
        namespace, kind = self.daemon.cluster.namespace, self.chance.choice(KINDS)
        self.server.limit(namespace, kind)
        self._is_over.wait(self.chance.uniform(0.5, LONGEST_OUTAGE_SECONDS))
        self.server.lift_limit(namespace, kind)
        return True

    def _take_pod(self, label: str, how: str) -> bool:
        running = list(self._running(label))
        if not running:
            return False
        pod = self.chance.choice(running)["metadata"]
        with contextlib.suppress(ApiError):  # it has ended meanwhile
            if how == "evict":
                self.server.api.pods.evict(pod["namespace"], pod["name"])
            else:
                grace = 0 if how == "force" else None
                self.server.garbage.delete(PODS, pod["namespace"], pod["name"], DeleteOptions(grace_seconds=grace))
        return True

    def _preempt(self) -> bool:
        """What Kueue does: suspend a job that runs, and admit it again a moment later."""
        running = list(self._running(JOB_LABEL))
        if not running:
            return False
        (owner,) = self.chance.choice(running)["metadata"]["ownerReferences"]
        self._suspend(owner, True)
        self._is_over.wait(self.chance.uniform(0.5, LONGEST_OUTAGE_SECONDS))
        self._suspend(owner, False)
        return True

    def _suspend(self, owner: Json, is_suspended: bool) -> None:
        def change(job: Json) -> None:
            job["spec"].get("runPolicy", job["spec"])["suspend"] = is_suspended

        with contextlib.suppress(ApiError):  # it is gone meanwhile
            self.server.store.edit(OWNERS[owner["kind"]], self.daemon.cluster.namespace, owner["name"], change)

    def _running(self, label: str) -> Iterator[Json]:
        """Run workers, or drivers and ranks: executors are Spark's own matter."""
        for pod in self.server.store.objects(PODS):
            labels = pod["metadata"]["labels"]
            if label in labels and is_running(pod) and labels.get("spark-role") != "executor":
                yield pod

    def _fail_run(self) -> bool:
        """What monitoring does to a run that it takes for dead."""
        instance = self.daemon.instance
        started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        if not started:
            return False
        instance.report_run_failed(self.chance.choice(started), "taken for dead")
        return True
