"""A real daemon process, with its code server and runs, on an instance of its own."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dagster as dg

from ctr_assets_tests.deploy.files import DEPLOY
from ctr_assets_tests.processes import processes_with

STOP_SECONDS = 30


LAPTOP = (DEPLOY / "laptop" / "dagster.yaml").read_text()


class Daemon:
    """``dagster-daemon run`` on ``home``, by default with the laptop's instance; everything it starts ends with it."""

    def __init__(self, home, module="ctr_assets.definitions", instance=LAPTOP, **environment):
        """``instance``: the text of its dagster.yaml."""
        self.home, self.module = Path(home), module
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "dagster.yaml").write_text(instance)
        self.log = self.home / "daemon.log"
        self._environment = {**os.environ, "DAGSTER_HOME": str(self.home), **environment}

    def __enter__(self):
        self.instance = dg.DagsterInstance.from_config(str(self.home))
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.instance.dispose()

    def start(self):
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", self.module]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=subprocess.STDOUT)

    def kill_daemon_alone(self):
        """Its code server and the runs in progress live on, as they do in pods of their own."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """End it as an operator does, and then whatever is still there."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for process in processes_with("DAGSTER_HOME", str(self.home)):
            os.kill(int(process.name), signal.SIGKILL)
        self._process.wait()

    def wait_until(self, condition, seconds):
        """Wait until ``condition()``. Raises AssertionError when a run fails, the daemon ends or time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            for run in self.runs(dg.DagsterRunStatus.FAILURE):
                raise AssertionError(self._why_failed(run))
            assert self._process.poll() is None, self._tail()
            assert time.monotonic() < deadline, f"still waiting after {seconds} s\n{self._tail()}"
            time.sleep(0.5)

    def wait_until_idle(self, seconds, ticks=3):
        """Wait until no run is unfinished and the last ``ticks`` of every sensor, begun since, asked for none."""
        began = time.time()

        def is_idle():
            ended = [record.end_time or time.time() for record in self.instance.get_run_records()]
            return self._all_skipped_since(max([began, *ended]), ticks)

        self.wait_until(is_idle, seconds)

    def runs(self, status):
        return self.instance.get_runs(dg.RunsFilter(statuses=[status]))

    def materializations(self, asset):
        """The records of every materialization of an asset."""
        return self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records

    def materialized(self):
        """How often each (asset, partition) was materialized."""
        return Counter(
            (key.to_user_string(), record.partition_key)
            for key in self.instance.all_asset_keys()
            for record in self.materializations(key.to_user_string())
        )

    def _all_skipped_since(self, moment, count):
        states = [s for s in self.instance.all_instigator_state() if s.instigator_type.value == "SENSOR"]
        if not states:
            return False
        for state in states:
            ticks = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=count)
            if len(ticks) < count:
                return False
            if any(tick.status.value != "SKIPPED" or tick.timestamp < moment for tick in ticks):
                return False
        return True

    def _why_failed(self, run):
        errors = [e.user_message for e in self.instance.all_logs(run.run_id) if int(e.level) >= logging.ERROR]
        return f"{run.job_name} {run.tags} failed\n" + "\n".join(errors)[-6000:]

    def _tail(self):
        return self.log.read_text()[-4000:]
