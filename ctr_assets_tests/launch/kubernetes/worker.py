"""Run workers as processes, each with one run of the scripted asset, as pods of the run launcher would be."""

import json
import subprocess
import sys

import dagster as dg

from ctr_assets_tests.launch.test_process_launcher import wait_until

WAIT_SECONDS = 240.0
"""For what happens in seconds here and may need an image or a node on a real cluster."""


class Worker:
    """Starts run workers for one instance on disk. Their job notes that it runs, then waits at the gate."""

    def __init__(self, cluster, kind, home, **parts):
        self.cluster, self.kind, self.home = cluster, kind, home
        self.launcher = {**cluster.connection(**parts), "code_folder": cluster.code_folder}
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    def start(self, **run):
        """``retry_of``: the run that this one retries. Further arguments change how the job behaves."""
        behaviour = {"notes_url": self.cluster.notes.url, "waits_at_gate": True, **run.pop("behaviour", {})}
        arguments = {
            "home": str(self.home),
            "kind": self.kind,
            "launcher": self.launcher,
            "behaviour": behaviour,
            **run,
        }
        worker = "ctr_assets_tests.launch.kubernetes.run_worker"
        return subprocess.Popen([sys.executable, "-m", worker, json.dumps(arguments)])

    def instance(self):
        return dg.DagsterInstance.from_config(str(self.home))

    def wait_for_ranks(self, ranks):
        """Until a process of each rank runs."""
        wait_until(lambda: self.cluster.notes.runs() == ranks, seconds=WAIT_SECONDS)


def runs_of(instance):
    """Records of an instance's runs, oldest first."""
    return sorted(instance.get_run_records(), key=lambda record: record.create_timestamp)
