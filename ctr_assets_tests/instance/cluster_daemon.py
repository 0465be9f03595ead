"""Production's daemon with its queue, run launcher, monitoring and retries, against a fake API server.

The instance is deploy/kubernetes/dagster.yaml, but for where it runs: its database is SQLite, its waits are shorter.
"""

import json
import subprocess
import sys

import yaml

from ctr_assets_tests.daemon import Daemon
from ctr_assets_tests.deploy.files import DEPLOY
from ctr_assets_tests.kubernetes.resources import JOBS, PODS, PYTORCH_JOBS, SPARK_APPLICATIONS
from ctr_assets_tests.launch.test_process_launcher import wait_until

MODULE = "ctr_assets_tests.deploy.scripted_definitions"
PARTITION = "2014-10-21"
ALIVE = ("Pending", "Running")


def instance_of(kubeconfig, home, env_vars, **launcher):
    """The text of dagster.yaml. A run's pod gets ``env_vars`` of the daemon; ``launcher`` changes the run launcher."""
    config = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text())
    for elsewhere in ("storage", "compute_logs", "retention"):
        del config[elsewhere]
    own = config["run_launcher"]["config"]
    del own["postgres_password_secret"]
    place = {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig), "dagster_home": str(home)}
    own |= place | {"job_image": "ctr-assets-code-server:0.4.0", "env_vars": sorted(env_vars)} | launcher
    config["run_coordinator"]["config"]["dequeue_interval_seconds"] = 1
    config["run_monitoring"]["poll_interval_seconds"] = 1
    return yaml.safe_dump(config)


class ClusterDaemon(Daemon):
    """The daemon, and what it made on the fake cluster."""

    def __init__(self, cluster, server, home, module=MODULE, launcher=None, **environment):
        connection = cluster.connection()
        code = {
            "CTR_KUBERNETES_SETTINGS": connection["settings_file"],
            "CTR_MESSAGES_URL": connection["messages_url"],
            "CTR_KUBECONFIG": connection["kubeconfig"],
            # Retries are looked for as soon as a run has failed.
            "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",
            **environment,
        }
        super().__init__(home, module, instance_of(cluster.kubeconfig, home, code, **(launcher or {})), **code)
        self.cluster, self.server = cluster, server

    def queue(self, job="scripted_job", config=None, **tags):
        """Queue a run as the UI does."""
        command = [sys.executable, "-m", "dagster", "job", "launch", "-m", self.module, "-j", job]
        command += ["--config-json", json.dumps(config or {}), "--tags", json.dumps(tags)]
        run = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-4000:]

    def queue_scripted(self, **behaviour):
        """A run of the scripted asset, whose job notes that it runs and waits at the gate."""
        behaviour = {"notes_url": self.cluster.notes.url, "waits_at_gate": True, **behaviour}
        config = {"ops": {"scripted": {"config": {"behaviour": behaviour}}}}
        self.queue(config=config, **{"dagster/partition": PARTITION})

    def records(self):
        """Records of all runs, oldest first."""
        return sorted(self.instance.get_run_records(), key=lambda record: record.create_timestamp)

    def statuses(self):
        return [record.dagster_run.status.value for record in self.records()]

    def told(self, run_id):
        """All that the event log of a run says."""
        entries = self.instance.all_logs(run_id)
        return "\n".join(
            str(entry.dagster_event.message if entry.dagster_event else entry.message) for entry in entries
        )

    def await_(self, condition, seconds):
        """Wait for ``condition``. Raises AssertionError with what the runs and the daemon say when time is over."""
        try:
            wait_until(condition, seconds)
        except AssertionError as e:
            said = [self.told(record.dagster_run.run_id)[-4000:] for record in self.records()]
            raise AssertionError("\n\n".join([*said, self._tail()])) from e

    def workers(self):
        """Names of the run workers' pods that live."""
        return [
            pod["metadata"]["name"]
            for pod in self.server.store.objects(PODS)
            if "dagster/run-id" in pod["metadata"]["labels"] and pod["status"]["phase"] in ALIVE
        ]

    def jobs_made(self):
        """How often a run worker's Job was created."""
        return self._made(JOBS)

    def resources_made(self):
        """How often a custom resource was created."""
        return self._made(SPARK_APPLICATIONS, PYTORCH_JOBS)

    def _made(self, *resources):
        changes = self.server.store.changes_after(0)
        return len([change for change in changes if change.type == "ADDED" and change.resource in resources])
