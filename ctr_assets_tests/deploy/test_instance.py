"""The production instance: Dagster accepts every line of it, and the chart's values say the same."""

import re
from typing import Any

import pytest
import yaml

from ctr_assets_tests.deploy.files import DEPLOY, DOCKER, one, values
from ctr_assets_tests.private_dagster import (
    InstanceRef,
    class_from_code_pointer,
    dagster_instance_config,
    process_config,
    resolve_to_config_type,
)

FOLDER = str(DEPLOY / "kubernetes")
INSTANCE = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text())


@pytest.fixture(autouse=True)
def database(monkeypatch):
    monkeypatch.setenv("DAGSTER_PG_HOST", "postgres")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")


def checked(data):
    """What a configurable class says to its configuration, without making one."""
    configurable: Any = class_from_code_pointer(data.module_name, data.class_name)
    return process_config(resolve_to_config_type(configurable.config_type()), data.config_dict)


def test_dagster_accepts_the_file():
    config, _ = dagster_instance_config(FOLDER)
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert config["run_monitoring"]["max_resume_run_attempts"] == 0
    assert config["telemetry"]["enabled"] is False


@pytest.mark.parametrize(
    ("part", "class_name"),
    [
        ("run_launcher_data", "PatientK8sRunLauncher"),
        ("run_coordinator_data", "LimitedRunCoordinator"),
        ("compute_logs_data", "GCSComputeLogManager"),
        ("run_storage_data", "PostgresRunStorage"),
        ("event_storage_data", "PostgresEventLogStorage"),
        ("schedule_storage_data", "PostgresScheduleStorage"),
        ("storage_data", "DagsterPostgresStorage"),
    ],
)
def test_every_class_of_it_accepts_its_configuration(part, class_name):
    data = getattr(InstanceRef.from_dir(FOLDER), part)
    assert data.class_name == class_name
    result = checked(data)
    assert result.success, result.errors


def test_a_misspelt_setting_would_be_found(tmp_path):
    text = (DEPLOY / "kubernetes" / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(text.replace("upload_interval:", "upload_intervall:"))
    data = InstanceRef.from_dir(str(tmp_path)).compute_logs_data
    assert not checked(data).success


def test_no_secret_is_in_it():
    postgres = INSTANCE["storage"]["postgres"]["postgres_db"]
    assert postgres["password"] == {"env": "DAGSTER_PG_PASSWORD"}
    assert not re.search(r"password: [^\n{]*\w", (DEPLOY / "kubernetes" / "dagster.yaml").read_text())


def snake(node):
    """The chart's camelCase keys as dagster.yaml writes them."""
    if isinstance(node, dict):
        return {re.sub("([A-Z])", lambda m: "_" + m[1].lower(), str(k)): snake(v) for k, v in node.items()}
    return node


def test_the_charts_values_give_the_same_instance():
    chart = values("dagster-values.yaml")
    daemon = snake({k: chart["dagsterDaemon"][k] for k in ("runMonitoring", "runRetries", "sensors", "schedules")})
    for part in ("run_monitoring", "run_retries", "sensors", "schedules"):
        assert daemon[part] == INSTANCE[part], part
    concurrency = snake(chart["concurrency"])
    assert concurrency.pop("enabled") is True
    assert concurrency == INSTANCE["concurrency"]
    coordinator = chart["dagsterDaemon"]["runCoordinator"]
    assert coordinator["type"] == "CustomRunCoordinator"
    assert coordinator["config"]["customRunCoordinator"] == INSTANCE["run_coordinator"]
    logs = chart["computeLogManager"]
    assert logs["type"] == INSTANCE["compute_logs"]["class"]
    assert snake(logs["config"]["gcsComputeLogManager"]) == INSTANCE["compute_logs"]["config"]
    assert snake(chart["retention"]) == {"enabled": True, **INSTANCE["retention"]}
    assert chart["telemetry"] == INSTANCE["telemetry"]


def test_the_charts_database_is_the_same():
    chart, stated = values("dagster-values.yaml")["postgresql"], INSTANCE["storage"]["postgres"]["postgres_db"]
    assert chart["postgresqlScheme"] == stated["scheme"]
    assert chart["postgresqlUsername"] == stated["username"]
    assert chart["postgresqlDatabase"] == stated["db_name"]
    assert chart["service"]["port"] == stated["port"]


def test_the_charts_run_launcher_gives_the_same():
    chart = values("dagster-values.yaml")
    assert chart["runLauncher"]["type"] == "CustomRunLauncher"
    stated, wanted = chart["runLauncher"]["config"]["customRunLauncher"], INSTANCE["run_launcher"]
    # The chart writes the database's address into the instance that a run's pod reads: nothing to pass on.
    config = {name: value for name, value in wanted["config"].items() if name != "env_vars"}
    assert stated == {**wanted, "config": config}
    assert chart["global"]["postgresqlSecretName"] == config["postgres_password_secret"]
    assert chart["global"]["dagsterHome"] == config["dagster_home"]
    # Runs have the code location's service account: the chart passes it on (includeConfigInLaunchedRuns).
    assert chart["dagster-user-deployments"]["serviceAccount"]["name"] == config["service_account_name"]
    assert one("gke", "Namespace", config["job_namespace"])


@pytest.mark.parametrize("files", [["dagster-values.yaml"], ["dagster-values.yaml", "dagster-values-kind.yaml"]])
def test_what_loads_the_queue_and_the_launcher_runs_this_projects_image(files):
    chart = values(*files)
    (location,) = chart["dagster-user-deployments"]["deployments"]
    assert chart["dagsterDaemon"]["image"] == chart["dagsterWebserver"]["image"] == location["image"]
    assert "dagster-webserver" in (DOCKER / "code-server.Dockerfile").read_text()


def test_a_launch_is_tried_for_less_time_than_a_run_may_take_to_start():
    launching = INSTANCE["run_launcher"]["config"]["launch_minutes"] * 60
    assert 600 <= launching <= INSTANCE["run_monitoring"]["start_timeout_seconds"] / 2
