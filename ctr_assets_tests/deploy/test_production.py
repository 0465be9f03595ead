"""Production end to end: a click in the UI becomes a table, whatever is cancelled or killed on the way.

Real are PostgreSQL, webserver, daemon, code servers, run workers and the jobs' processes, each on its own and with the
instance of deploy/kubernetes/dagster.yaml; the API server is the fake one, whose controllers are held to recordings.
``pytest -s`` prints the measured delays.
"""

import base64
import os
import re
import signal
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import kubernetes.client
import pytest
import yaml
from google.cloud import storage

from ctr_assets.demo.generate import generate
from ctr_assets.launch.kubernetes.names import RUN_ID
from ctr_assets.storage import Store
from ctr_assets_tests.deploy.files import DEPLOY
from ctr_assets_tests.deploy.postgres import PostgresServer, server_folder
from ctr_assets_tests.deploy.production import Place, production
from ctr_assets_tests.deploy.webserver import Webserver
from ctr_assets_tests.kubernetes.fixtures import GcsBucket, gcs_emulator, new_bucket
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.pod_states import terminated_state
from ctr_assets_tests.kubernetes.resources import JOBS, PODS, SECRETS, SPARK_APPLICATIONS, Json
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.workloads import ProcessWorkload
from ctr_assets_tests.launch.scripted_job import Notes
from ctr_assets_tests.launch.test_process_launcher import alive, wait_until
from ctr_assets_tests.system_packages import skip_reason
from ctr_assets_tests.test_whole_graph_on_kubernetes import submit_arguments

__all__ = ["gcs_emulator"]

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.skipif(server_folder() is None, reason=skip_reason("postgresql")),
    pytest.mark.timeout(600),
]
INSTANCE = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text())
LAUNCHER = INSTANCE["run_launcher"]["config"]
NAMESPACE = LAUNCHER["job_namespace"]
LOGS = INSTANCE["compute_logs"]["config"]["prefix"]
DAY = "2014-10-21"
# A machine that runs other tests beside this one takes minutes for what takes it seconds alone.
RUN_SECONDS = 300.0
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class Production:
    """What the tests act on and look at: the UI, the cluster, the database, the bucket."""

    webserver: Webserver
    server: FakeApiServer
    operator: ScriptedOperator
    database: PostgresServer
    bucket: GcsBucket

    def launch_scripted(self, **behaviour: Any) -> tuple[str, Notes]:
        """A run of the scripted asset, whose job has started, and what it notes and waits for."""
        notes = Notes(f"{self.bucket.uri}/notes/{uuid.uuid4().hex}")
        config = {"ops": {"scripted": {"config": {"behaviour": {"notes_url": notes.url} | behaviour}}}}
        run_id = self.webserver.launch("scripted", "scripted", DAY, config)
        wait_until(lambda: bool(notes.process_ids()), RUN_SECONDS)
        return run_id, notes

    def wait_for_end(self, run_id: str) -> str:
        try:
            wait_until(lambda: self.webserver.status(run_id) in ENDED, RUN_SECONDS)
        except AssertionError as e:
            raise AssertionError("\n".join(self.log(pod) for pod in self.pods(run_id))) from e
        return self.webserver.status(run_id)

    def applications(self, root_run_id: str) -> list[Json]:
        found = self.server.store.objects(SPARK_APPLICATIONS, NAMESPACE)
        return [one for one in found if one["metadata"]["labels"][RUN_ID] == root_run_id]

    def jobs(self, run_id: str) -> list[Json]:
        return [one for one in self.server.store.objects(JOBS, NAMESPACE) if _of_run(one, run_id)]

    def pods(self, run_id: str) -> list[Json]:
        """Run workers and drivers."""
        found = self.server.store.objects(PODS, NAMESPACE)
        drivers = {f"{one['metadata']['name']}-driver" for one in self.applications(run_id)}
        return [one for one in found if _of_run(one, run_id) or one["metadata"]["name"] in drivers]

    def driver(self, run_id: str) -> Json:
        (found,) = (one for one in self.pods(run_id) if not _of_run(one, run_id))
        return found

    def log(self, pod: Json) -> str:
        """What a pod's container printed."""
        lines = self.server.logs.of(pod["metadata"]["uid"], pod["spec"]["containers"][0]["name"]).read()
        return b"".join(line.data for line in lines).decode()

    def worker_pid(self, run_id: str) -> int:
        (pod,) = (one for one in self.pods(run_id) if _of_run(one, run_id))
        workload = self.operator.kubelet.workload_of(pod["metadata"]["uid"])
        assert isinstance(workload, ProcessWorkload)
        assert workload.pid is not None
        return workload.pid

    def events(self, run_id: str) -> list[str]:
        """Kinds of events, in the order in which each kind first happened."""
        query = (
            "SELECT dagster_event_type FROM event_logs WHERE run_id = %s AND dagster_event_type IS NOT NULL "
            "GROUP BY dagster_event_type ORDER BY min(id)"
        )
        return [kind for (kind,) in self.database.execute(query, run_id)]

    def moment(self, run_id: str, event: str) -> float:
        """When the first such event happened, as time.time()."""
        query = (
            "SELECT extract(epoch FROM min(timestamp) AT TIME ZONE 'UTC') FROM event_logs "
            "WHERE run_id = %s AND dagster_event_type = %s"
        )
        return float(self.database.execute(query, run_id, event)[0][0])

    def materializations(self, *run_ids: str) -> list[tuple[str, str]]:
        """Asset and partition of each."""
        query = (
            "SELECT asset_key, partition FROM event_logs "
            "WHERE run_id = ANY(%s) AND dagster_event_type = 'ASSET_MATERIALIZATION'"
        )
        return [(asset, partition) for asset, partition in self.database.execute(query, list(run_ids))]

    def objects(self, prefix: str) -> dict[str, str]:
        blobs = storage.Client().bucket(self.bucket.name).list_blobs(prefix=prefix)
        return {blob.name: blob.download_as_text() for blob in blobs}


def _of_run(obj: Json, run_id: str) -> bool:
    return bool(obj["metadata"].get("labels", {}).get("dagster/run-id") == run_id)


@pytest.fixture(scope="module")
def system(gcs_emulator, tmp_path_factory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    place = INSTANCE["storage"]["postgres"]["postgres_db"]
    programs = server_folder()
    assert programs is not None
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        PostgresServer(programs, place["username"], place["db_name"], "correct horse") as database,
        # Cancelling takes as long as the pods' own time to end: not a second less than on a cluster.
        FakeApiServer(grace_scale=1.0) as server,
        ScriptedOperator(server) as operator,
    ):
        bucket = new_bucket(gcs_emulator, monkeypatch)
        emulator = bucket.environment["STORAGE_EMULATOR_HOST"]
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", submit_arguments(emulator))
        settings = folder / "settings.yaml"
        settings.write_text(yaml.safe_dump({"cluster": {"namespace": NAMESPACE, "storage_emulator_url": emulator}}))
        _create_secret(server, LAUNCHER["postgres_password_secret"], {"postgresql-password": database.password})
        kubeconfig = server.kubeconfig(folder / "kubeconfig", NAMESPACE)
        code = {
            "CTR_LANDING_URL": f"{bucket.uri}/landing",
            "CTR_STORE_URL": f"{bucket.uri}/store",
            "CTR_MESSAGES_URL": f"{bucket.uri}/messages",
            "CTR_KUBERNETES_SETTINGS": str(settings),
            "CTR_KUBECONFIG": str(kubeconfig),
        }
        with production(Place(folder, kubeconfig, bucket.name, database, code)) as webserver:
            yield Production(webserver, server, operator, database, bucket)


def _create_secret(server: FakeApiServer, name: str, content: dict[str, str]) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    secret = kubernetes.client.V1Secret(metadata=kubernetes.client.V1ObjectMeta(name=name), data=data)
    kubernetes.client.CoreV1Api(server.client()).create_namespaced_secret(NAMESPACE, secret)
    assert server.store.find(SECRETS, NAMESPACE, name) is not None


def test_a_click_becomes_a_table(system, tmp_path):
    generate(rows=600, landing=tmp_path / "landing", truth=tmp_path / "truth", days=1)
    store = Store(f"{system.bucket.uri}/store")
    store.fs.put(str(tmp_path / "landing"), f"{system.bucket.name}/landing", recursive=True)
    run_id = system.webserver.launch("ctr-assets", "raw_impressions", DAY)
    assert system.wait_for_end(run_id) == "SUCCESS"
    # The webserver queues, the daemon starts (and makes the Job), the run worker does the rest.
    stages = ["PIPELINE_ENQUEUED", "PIPELINE_STARTING", "PIPELINE_START", "STEP_START", "STEP_SUCCESS"]
    assert [event for event in system.events(run_id) if event in stages] == stages
    assert system.materializations(run_id) == [('["raw_impressions"]', DAY)]
    assert store.manifest("raw_impressions", DAY).rows == 600
    (application,), (job,) = system.applications(run_id), system.jobs(run_id)
    assert application["status"]["applicationState"]["state"] == "COMPLETED"
    wait_until(lambda: system.jobs(run_id)[0]["status"].get("succeeded") == 1)
    pod = job["spec"]["template"]
    assert pod["spec"]["serviceAccountName"] == LAUNCHER["service_account_name"]
    assert pod["metadata"]["annotations"] == LAUNCHER["run_k8s_config"]["pod_template_spec_metadata"]["annotations"]
    (log,) = (text for name, text in system.objects(f"{LOGS}/storage/{run_id}").items() if name.endswith(".out"))
    said = system.log(system.driver(run_id))
    assert said != ""
    assert log == said


def test_cancelling_leaves_nothing(system):
    run_id, notes = system.launch_scripted(waits_at_gate=True)
    processes = [system.worker_pid(run_id), *notes.process_ids()]
    assert all(alive(pid) for pid in processes)
    pods = {pod["metadata"]["uid"] for pod in system.pods(run_id)}
    (application,) = system.applications(run_id)
    asked = time.monotonic()
    system.webserver.terminate(run_id)
    wait_until(lambda: system.applications(run_id) == [])
    gone_after = time.monotonic() - asked
    assert gone_after < 10
    assert system.wait_for_end(run_id) == "CANCELED"
    show("cancelled: custom resource gone after", gone_after)
    show("cancelled: run CANCELED after", time.monotonic() - asked)
    wait_until(lambda: not pods & {pod["metadata"]["uid"] for pod in system.server.store.objects(PODS)})
    assert not any(alive(pid) for pid in processes)
    assert system.jobs(run_id) == []
    assert system.objects(f"messages/{application['metadata']['name']}/") == {}
    assert system.materializations(run_id) == []


def test_a_lost_run_worker_is_replaced_by_a_retry_that_adopts_its_job(system):
    lost, notes = system.launch_scripted(waits_at_gate=True)
    (before,) = system.applications(lost)
    os.kill(system.worker_pid(lost), signal.SIGKILL)
    killed = time.monotonic()
    assert system.wait_for_end(lost) == "FAILURE"
    wait_until(lambda: len(system.webserver.retries(lost)) == 1, RUN_SECONDS)
    (retry,) = system.webserver.retries(lost)
    wait_until(lambda: "STEP_START" in system.events(retry), RUN_SECONDS)
    show("worker killed: its retry works after", time.monotonic() - killed)
    notes.open_gate()
    assert system.wait_for_end(retry) == "SUCCESS"
    (after,) = system.applications(lost)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert len(notes.runs()) == 1
    assert system.materializations(lost, retry) == [('["scripted"]', DAY)]


def test_a_job_that_fails_is_not_retried(system):
    run_id, notes = system.launch_scripted(fails="LandingError: train.gz is truncated")
    assert system.wait_for_end(run_id) == "FAILURE"
    wait_until(lambda: system.webserver.tags(run_id).get("dagster/will_retry") == "false")
    # A failed run is a failed Job: what watches the cluster sees it.
    wait_until(lambda: system.jobs(run_id)[0]["status"].get("failed") == 1)
    assert system.applications(run_id) == []
    assert system.webserver.retries(run_id) == []
    assert len(notes.runs()) == 1


def test_log_lines_and_the_end_of_a_job_are_seen_while_they_are_news(system):
    launched = time.time()
    run_id, _ = system.launch_scripted(lines=250, seconds_a_line=0.1)
    show("launch to the job's first line of code", time.time() - launched)
    ages = ages_of_lines(system, run_id)
    show("log line to webserver, median", statistics.median(ages))
    show("log line to webserver, longest", max(ages))
    assert max(ages) < 30
    ended = time.time()
    assert system.wait_for_end(run_id) == "SUCCESS"
    seen_after = system.moment(run_id, "STEP_SUCCESS") - ended
    show("job's end to step's success", seen_after)
    assert seen_after < 30


def ages_of_lines(system: Production, run_id: str) -> list[float]:
    """How old each line of a job is when the webserver first shows it, until the job ends."""
    wait_until(lambda: bool(system.webserver.compute_log_key(run_id)), RUN_SECONDS)
    log_key = system.webserver.compute_log_key(run_id)
    ages: list[float] = []
    while terminated_state(system.driver(run_id)) is None:
        times = re.findall(r"^line \d+ written at (.+)\n", system.webserver.stdout(log_key), re.MULTILINE)
        ages += [time.time() - float(told) for told in times[len(ages) :]]
        time.sleep(0.1)
    return ages


def show(what: str, seconds: float) -> None:
    sys.stdout.write(f"\n{what}: {seconds:.1f} s\n")
