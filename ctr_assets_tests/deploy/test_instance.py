"""The production instance: Dagster accepts every line of it, and the chart's values say the same."""

import re
from typing import Any

import pytest
import yaml

from ctr_assets_tests.deploy.files import DEPLOY, one, values
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
        ("run_launcher_data", "K8sRunLauncher"),
        ("run_coordinator_data", "QueuedRunCoordinator"),
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
    assert coordinator["type"] == INSTANCE["run_coordinator"]["class"]
    assert snake(coordinator["config"]["queuedRunCoordinator"]) == INSTANCE["run_coordinator"]["config"]
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
    launcher = chart["runLauncher"]
    stated, wanted = launcher["config"]["k8sRunLauncher"], dict(INSTANCE["run_launcher"]["config"])
    assert launcher["type"] == INSTANCE["run_launcher"]["class"]
    assert stated["loadInclusterConfig"] is wanted["load_incluster_config"]
    assert stated["imagePullPolicy"] == wanted["image_pull_policy"]
    assert stated["failPodOnRunFailure"] is wanted["fail_pod_on_run_failure"]
    run = wanted["run_k8s_config"]
    assert stated["runK8sConfig"]["jobSpecConfig"] == run["job_spec_config"]
    assert stated["runK8sConfig"]["podSpecConfig"] == run["pod_spec_config"]
    assert stated["runK8sConfig"]["podTemplateSpecMetadata"] == run["pod_template_spec_metadata"]
    assert chart["global"]["postgresqlSecretName"] == wanted["postgres_password_secret"]
    assert chart["global"]["dagsterHome"] == wanted["dagster_home"]
    # Runs have the code location's service account: the chart passes it on (includeConfigInLaunchedRuns).
    assert chart["dagster-user-deployments"]["serviceAccount"]["name"] == wanted["service_account_name"]
    assert one("gke", "Namespace", wanted["job_namespace"])
