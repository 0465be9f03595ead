"""The scripted operator runs containers' commands as real processes: logs, exit codes, signals, environments, GCS."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gcsfs
import kubernetes.client
import pytest
from kubernetes.client import ApiException

from ctr_assets_tests.kubernetes.commands import container_command, spark_command
from ctr_assets_tests.kubernetes.fixtures import GcsBucket
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, job, pytorch_job, spark_application
from ctr_assets_tests.kubernetes.operator import ScriptedOperator
from ctr_assets_tests.kubernetes.resources import PYTORCH_JOBS, SPARK_APPLICATIONS, Json
from ctr_assets_tests.kubernetes.server import FakeApiServer

SPARK = (SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.version, NAMESPACE, SPARK_APPLICATIONS.plural)
PYTORCH = (PYTORCH_JOBS.group, PYTORCH_JOBS.version, NAMESPACE, PYTORCH_JOBS.plural)
END_SECONDS = 20.0
ENDS = ("COMPLETED", "FAILED")


class Cluster:
    """The clients of one fake cluster, with waits."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        self.custom = kubernetes.client.CustomObjectsApi(server.client())
        self.core = kubernetes.client.CoreV1Api(server.client())
        self.batch = kubernetes.client.BatchV1Api(server.client())

    def wait_for(self, found: Callable[[], Any]) -> Any:
        """What `found` returns once it is not empty; it is asked at each change and 20 times a second."""
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            if result := found():
                return result
            with self.server.store.changed:
                self.server.store.changed.wait(0.05)
        raise TimeoutError("the cluster did not get there")

    def run_spark(self, file: Path, *arguments: str, **driver: Any) -> Json:
        """Run an application file as a driver to its end; the application's state."""
        self.custom.create_namespaced_custom_object(
            *SPARK, spark_application("calc", *arguments, file=f"local://{file}", driver=driver)
        )
        state: Json = self.wait_for(self.ended_state)
        return state

    def ended_state(self) -> Json | None:
        status = self.custom.get_namespaced_custom_object(*SPARK, "calc").get("status", {})
        state: Json = status.get("applicationState", {})
        return state if state.get("state") in ENDS else None

    def conditions(self, name: str) -> dict[str, str]:
        status = self.custom.get_namespaced_custom_object(*PYTORCH, name).get("status", {})
        return {one["type"]: one["status"] for one in status.get("conditions", [])}

    def run_job(self, *command: str, env: tuple[Json, ...] = ()) -> str:
        """Create a Job named `run`; its pod's name."""
        manifest = job("run")
        manifest["spec"]["template"]["spec"]["containers"][0] |= {"command": list(command), "env": list(env)}
        self.batch.create_namespaced_job(NAMESPACE, manifest)
        pods = self.wait_for(lambda: self.core.list_namespaced_pod(NAMESPACE, label_selector="job-name=run").items)
        name: str = pods[0].metadata.name
        return name

    def log(self, pod: str) -> str:
        answer = self.core.read_namespaced_pod_log(pod, NAMESPACE, _preload_content=False)
        text: str = answer.data.decode()
        return text


@pytest.fixture
def cluster(api_server: FakeApiServer, operator: ScriptedOperator) -> Cluster:
    """With its operator at work: containers are processes."""
    return Cluster(api_server)


def write_program(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_driver_runs_with_its_arguments_and_environment_and_its_output_is_the_log(
    cluster: Cluster, tmp_path: Path
) -> None:
    program = write_program(tmp_path, "import os, sys; print(sys.argv[1:], os.environ['COLOUR'])")
    state = cluster.run_spark(program, "a", "b", env=[{"name": "COLOUR", "value": "red"}])
    assert state == {"state": "COMPLETED"}
    assert cluster.log("calc-driver") == "['a', 'b'] red\n"
    pod = cluster.core.read_namespaced_pod("calc-driver", NAMESPACE)
    assert pod.metadata.labels["sparkoperator.k8s.io/app-name"] == "calc"


def test_a_driver_s_exit_code_is_the_application_s_error(cluster: Cluster, tmp_path: Path) -> None:
    program = write_program(tmp_path, "import sys; sys.exit(3)")
    assert cluster.run_spark(program)["errorMessage"] == "driver container failed with ExitCode: 3, Reason: Error"


def test_the_jobs_entry_point_is_run_as_its_module(cluster: Cluster) -> None:
    """The application file of production is a path inside the image."""
    state = cluster.run_spark(Path("/opt/ctr/ctr_assets/jobs/__main__.py"), "no_such_job", "--params", "{}")
    assert state["errorMessage"] == "driver container failed with ExitCode: 2, Reason: Error"
    assert "usage: python -m ctr_assets.jobs" in cluster.log("calc-driver")


def test_a_program_that_does_not_exist_is_told_in_the_log(cluster: Cluster) -> None:
    manifest = pytorch_job("train", "/no/such/program")
    cluster.custom.create_namespaced_custom_object(*PYTORCH, manifest)
    cluster.wait_for(lambda: "Failed" in cluster.conditions("train"))
    assert "No such file" in cluster.log("train-master-0")


def test_every_rank_is_a_process_that_finds_the_others_on_loopback(cluster: Cluster, tmp_path: Path) -> None:
    keys = "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"
    program = write_program(tmp_path, f"import os; print(*[os.environ[k] for k in {keys}])")
    cluster.custom.create_namespaced_custom_object(*PYTORCH, pytorch_job("train", "python", str(program), workers=1))
    cluster.wait_for(lambda: cluster.conditions("train").get("Succeeded") == "True")
    cluster.wait_for(lambda: _has_ended(cluster, "train-worker-0"))
    master, worker = (cluster.log(f"train-{rank}").split() for rank in ("master-0", "worker-0"))
    assert (master[:3], worker[:3]) == (["0", "2", "127.0.0.1"], ["1", "2", "127.0.0.1"])
    assert master[3] == worker[3] != "23456"


def _has_ended(cluster: Cluster, pod: str) -> bool:
    return cluster.core.read_namespaced_pod(pod, NAMESPACE).status.phase in ("Succeeded", "Failed")


def test_deleting_the_application_ends_its_process_with_sigterm(cluster: Cluster, tmp_path: Path) -> None:
    program = write_program(
        tmp_path,
        "import os, pathlib, signal, sys, time\n"
        "def end(*_): pathlib.Path(sys.argv[1]).write_text('told'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print(os.getpid()); time.sleep(60)",
    )
    told = tmp_path / "told"
    manifest = spark_application("calc", str(told), file=f"local://{program}")
    cluster.custom.create_namespaced_custom_object(*SPARK, manifest)
    pid = int(cluster.wait_for(lambda: _log_if_any(cluster, "calc-driver")))
    cluster.custom.delete_namespaced_custom_object(*SPARK, "calc", propagation_policy="Foreground")
    cluster.wait_for(lambda: not _has_pod(cluster, "calc-driver"))
    assert told.read_text() == "told"
    assert not is_alive(pid)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(cluster: Cluster, tmp_path: Path) -> None:
    program = write_program(
        tmp_path,
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid()); time.sleep(60)",
    )
    manifest = spark_application("calc", file=f"local://{program}", driver={"terminationGracePeriodSeconds": 3})
    cluster.custom.create_namespaced_custom_object(*SPARK, manifest)
    pid = int(cluster.wait_for(lambda: _log_if_any(cluster, "calc-driver")))
    cluster.custom.delete_namespaced_custom_object(*SPARK, "calc")
    cluster.wait_for(lambda: not _has_pod(cluster, "calc-driver"))
    assert not is_alive(pid)


def _log_if_any(cluster: Cluster, pod: str) -> str:
    try:
        return cluster.log(pod)
    except ApiException:
        return ""


def _has_pod(cluster: Cluster, name: str) -> bool:
    return name in [one.metadata.name for one in cluster.core.list_namespaced_pod(NAMESPACE).items]


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        ("oom", "driver container failed with ExitCode: 137, Reason: OOMKilled"),
        ("evicted", "driver container failed with ExitCode: 143, Reason: Error"),
        ("force_deleted", "driver pod not found"),
    ],
)
def test_an_accident_hits_the_running_process(
    cluster: Cluster, operator: ScriptedOperator, tmp_path: Path, scenario: str, error: str
) -> None:
    operator.scenario = scenario
    program = write_program(tmp_path, "import time; time.sleep(60)")
    # Grace for a machine that stalls: after 3 s the process was killed, once, before it had died of its SIGTERM.
    state = cluster.run_spark(program, terminationGracePeriodSeconds=300)
    assert state == {"state": "FAILED", "errorMessage": error}


def test_a_job_s_pod_gets_its_secrets_and_the_job_counts_its_success(cluster: Cluster) -> None:
    secret = kubernetes.client.V1Secret(
        metadata=kubernetes.client.V1ObjectMeta(name="database"), data={"password": "c2VjcmV0"}
    )
    cluster.core.create_namespaced_secret(NAMESPACE, secret)
    reference = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}}
    pod = cluster.run_job("python", "-c", "import os; print(os.environ['PASSWORD'])", env=(reference,))
    cluster.wait_for(lambda: cluster.batch.read_namespaced_job_status("run", NAMESPACE).status.succeeded)
    assert cluster.log(pod) == "secret\n"


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_deleting_a_job_ends_its_process(cluster: Cluster, policy: str) -> None:
    pod = cluster.run_job("python", "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    pid = int(cluster.wait_for(lambda: _log_if_any(cluster, pod)))
    cluster.batch.delete_namespaced_job("run", NAMESPACE, propagation_policy=policy)
    cluster.wait_for(lambda: not _has_pod(cluster, pod))
    assert not is_alive(pid)
    assert cluster.batch.list_namespaced_job(NAMESPACE).items == []


def test_the_other_ranks_run_on_after_one_has_failed(cluster: Cluster, tmp_path: Path) -> None:
    program = write_program(
        tmp_path, "import os, time; print(os.getpid()); time.sleep(60 if os.environ['RANK'] == '1' else 0.5); 1 / 0"
    )
    cluster.custom.create_namespaced_custom_object(*PYTORCH, pytorch_job("train", "python", str(program), workers=1))
    cluster.wait_for(lambda: cluster.conditions("train").get("Failed") == "True")
    pid = int(cluster.wait_for(lambda: _log_if_any(cluster, "train-worker-0")))
    assert is_alive(pid)
    cluster.custom.delete_namespaced_custom_object(*PYTORCH, "train", propagation_policy="Foreground")
    cluster.wait_for(lambda: not is_alive(pid))
    assert cluster.wait_for(lambda: not _has_pod(cluster, "train-worker-0"))


def test_a_process_reaches_the_bucket(cluster: Cluster, gcs: GcsBucket, tmp_path: Path) -> None:
    text = "import gcsfs, sys; gcsfs.GCSFileSystem(token='anon').pipe_file(sys.argv[1], b'from the driver')"
    assert cluster.run_spark(write_program(tmp_path, text), f"{gcs.uri}/said")["state"] == "COMPLETED"
    assert gcsfs.GCSFileSystem(token="anon").cat_file(f"{gcs.uri}/said") == b"from the driver"


def test_a_scenario_can_be_chosen_for_each_object(cluster: Cluster, operator: ScriptedOperator) -> None:
    operator.scenario = lambda obj: "unschedulable" if obj["metadata"]["name"] == "big" else "ok"
    for name in ("big", "small"):
        cluster.custom.create_namespaced_custom_object(*PYTORCH, pytorch_job(name, "true"))
    cluster.wait_for(lambda: cluster.conditions("small").get("Succeeded") == "True")
    assert cluster.conditions("big") == {"Created": "True"}


def test_an_image_that_cannot_be_pulled_shows_only_in_the_pod_and_its_events(
    cluster: Cluster, operator: ScriptedOperator
) -> None:
    operator.scenario = "image_cannot_be_pulled"
    cluster.custom.create_namespaced_custom_object(*SPARK, spark_application("calc"))

    def waiting_reasons() -> set[str]:
        pods = cluster.core.list_namespaced_pod(NAMESPACE).items
        statuses = [status for pod in pods for status in pod.status.container_statuses or []]
        return {status.state.waiting.reason for status in statuses if status.state.waiting}

    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull"):
        cluster.wait_for(lambda wanted=reason: wanted in waiting_reasons())  # type: ignore[misc]
    events = cluster.core.list_namespaced_event(NAMESPACE, field_selector="involvedObject.name=calc-driver")
    assert {"Pulling", "Failed", "BackOff"} <= {one.reason for one in events.items}
    state = cluster.custom.get_namespaced_custom_object(*SPARK, "calc")["status"]["applicationState"]
    assert state == {"state": "SUBMITTED"}


def test_a_slow_start_has_no_status_for_as_long(cluster: Cluster, operator: ScriptedOperator) -> None:
    operator.scenario = "slow_start:0.8"
    manifest = spark_application("calc", file="local:///no/such/file.py")
    created = cluster.custom.create_namespaced_custom_object(*SPARK, manifest)
    started = time.monotonic()
    cluster.wait_for(lambda: cluster.custom.get_namespaced_custom_object(*SPARK, "calc").get("status"))
    assert time.monotonic() - started > 0.8
    assert "status" not in created


def test_what_still_runs_is_killed_with_the_operator(api_server: FakeApiServer, tmp_path: Path) -> None:
    program = write_program(tmp_path, "import os, time; print(os.getpid()); time.sleep(60)")
    before = set(threading.enumerate())
    with ScriptedOperator(api_server):
        cluster = Cluster(api_server)
        manifest = spark_application("calc", file=f"local://{program}")
        cluster.custom.create_namespaced_custom_object(*SPARK, manifest)
        pid = int(cluster.wait_for(lambda: _log_if_any(cluster, "calc-driver")))
    assert not is_alive(pid)
    left = [one.name for one in set(threading.enumerate()) - before if "process_request" not in one.name]
    assert left == []


def test_commands_name_this_interpreter() -> None:
    entry = {"mainApplicationFile": "local:///opt/ctr/ctr_assets/jobs/__main__.py", "arguments": ["x"]}
    assert spark_command(entry)[1:] == ["-m", "ctr_assets.jobs", "x"]
    assert container_command({"command": ["torchrun", "a.py"]})[1:] == ["-m", "torch.distributed.run", "a.py"]
    assert container_command({"command": ["python3"], "args": ["a.py"]})[1:] == ["a.py"]
    assert container_command({"args": ["dagster", "api"]})[1:] == ["-m", "dagster", "api"]
    assert container_command({"command": ["sh", "-c", "true"]}) == ["sh", "-c", "true"]
