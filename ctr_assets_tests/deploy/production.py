"""The control plane of production as real processes: code servers, webserver, daemon; one PostgreSQL, one bucket.

The instance is deploy/kubernetes/dagster.yaml and the code location's environment is deploy/helm/dagster-values.yaml's:
both as they are, but for what depends on where they run.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ctr_assets_tests.deploy.files import DEPLOY, values
from ctr_assets_tests.deploy.ports import free_port, is_open
from ctr_assets_tests.deploy.postgres import PostgresServer
from ctr_assets_tests.deploy.webserver import Webserver
from ctr_assets_tests.kubernetes.commands import process_env
from ctr_assets_tests.launch.test_process_launcher import wait_until

START_SECONDS = 120.0
STOP_SECONDS = 20.0
CODE_LOCATIONS = {"ctr-assets": "ctr_assets.definitions", "scripted": "ctr_assets_tests.deploy.scripted_definitions"}
IMAGE = "ctr-assets-code-server:0.4.0"


@dataclass(frozen=True)
class Place:
    """Where production runs this time. `code_environment`: variables of the code location by name."""

    folder: Path
    kubeconfig: Path
    bucket: str
    database: PostgresServer
    code_environment: dict[str, str]


def instance_config(place: Place, home: Path) -> dict[str, Any]:
    """deploy/kubernetes/dagster.yaml for a home: its addresses and folders replaced, its waits shortened."""
    config: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text())
    config["storage"]["postgres"]["postgres_db"]["port"] = place.database.port
    in_place_of_the_cluster = {"load_incluster_config": False, "kubeconfig_file": str(place.kubeconfig)}
    config["run_launcher"]["config"] |= in_place_of_the_cluster | {"dagster_home": str(home)}
    # Every pod has a disk of its own: what the webserver shows of a run has come through the bucket.
    config["compute_logs"]["config"] |= {"bucket": place.bucket, "local_dir": str(home / "compute-logs")}
    config["run_coordinator"]["config"]["dequeue_interval_seconds"] = 1
    config["run_monitoring"]["poll_interval_seconds"] = 2
    return config


def container_context(place: Place) -> dict[str, Any]:
    """What the chart passes on from a code location to its runs (includeConfigInLaunchedRuns)."""
    chart = values("dagster-values.yaml")["dagster-user-deployments"]
    (deployment,) = chart["deployments"]
    stated = {one["name"]: one["value"] for one in deployment["env"]} | place.code_environment
    context = {
        "env": [{"name": name, "value": value} for name, value in stated.items()],
        "image_pull_policy": deployment["image"]["pullPolicy"],
        "service_account_name": chart["serviceAccount"]["name"],
        "resources": deployment["resources"],
        "security_context": deployment["securityContext"],
        "volumes": deployment["volumes"],
        "volume_mounts": deployment["volumeMounts"],
    }
    return {"k8s": context}


@contextlib.contextmanager
def production(place: Place) -> Iterator[Webserver]:
    """Start everything, wait until both code locations are loaded, and end every process at the exit."""
    homes = {name: place.folder / name for name in ("webserver", "daemon")}
    for home in homes.values():
        (home / "compute-logs").mkdir(parents=True)
        (home / "dagster.yaml").write_text(yaml.safe_dump(instance_config(place, home)))
    workspace = place.folder / "workspace.yaml"
    database = {"DAGSTER_PG_HOST": place.database.host, "DAGSTER_PG_PASSWORD": place.database.password}
    servers = {name: free_port() for name in CODE_LOCATIONS}
    grpc = [{"host": "127.0.0.1", "port": port, "location_name": name} for name, port in servers.items()]
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": one} for one in grpc]}))
    webserver = Webserver(f"http://127.0.0.1:{(port := free_port())}")
    with contextlib.ExitStack() as processes:

        def start(name: str, *arguments: str, **env: str) -> None:
            processes.enter_context(_running(place.folder / f"{name}.log", arguments, process_env(database | env)))

        context = container_context(place)
        code_env = {one["name"]: one["value"] for one in context["k8s"]["env"]}
        code_env |= {"DAGSTER_CONTAINER_CONTEXT": json.dumps(context), "DAGSTER_CONTAINER_IMAGE": IMAGE}
        for name, module in CODE_LOCATIONS.items():
            where = ["--host", "127.0.0.1", "--port", str(servers[name])]
            start(f"code-{name}", "dagster", "api", "grpc", *where, "--module-name", module, **code_env)
        wait_until(lambda: all(is_open(code_port) for code_port in servers.values()), START_SECONDS)
        serve = ["dagster_webserver", "--host", "127.0.0.1", "--port", str(port), "--workspace", str(workspace)]
        start("webserver", *serve, DAGSTER_HOME=str(homes["webserver"]))
        wait_until(webserver.answers, START_SECONDS)
        wait_until(lambda: webserver.loaded_locations() == set(CODE_LOCATIONS), START_SECONDS)
        start("daemon", "dagster._daemon", "run", "--workspace", str(workspace), DAGSTER_HOME=str(homes["daemon"]))
        yield webserver


@contextlib.contextmanager
def _running(log: Path, arguments: tuple[str, ...], env: dict[str, str]) -> Iterator[None]:
    """A module of this interpreter as a process, until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=env,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
