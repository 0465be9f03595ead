"""The Helm values name what the kustomizations make, and tell the code what it reads."""

import re

import pytest

from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings, SparkSettings, read_settings
from ctr_assets.settings import VARIABLES
from ctr_assets_tests.deploy.files import DEPLOY, one, rendered, values

FILES = {"gke": ("dagster-values.yaml",), "kind": ("dagster-values.yaml", "dagster-values-kind.yaml")}


@pytest.fixture(params=FILES)
def overlay(request):
    return request.param


@pytest.fixture
def chart(overlay):
    return values(*FILES[overlay])


@pytest.fixture
def location(chart):
    (only,) = chart["dagster-user-deployments"]["deployments"]
    return only


def test_the_service_accounts_are_the_kustomizations(overlay, chart):
    for part in (chart, chart["dagster-user-deployments"]):
        assert part["serviceAccount"]["create"] is False
        assert part["rbacEnabled"] is False
        assert one(overlay, "ServiceAccount", part["serviceAccount"]["name"])
    # This would override both names.
    assert "serviceAccountName" not in chart["global"]


def test_the_jobs_service_accounts_are_the_kustomizations(overlay):
    settings = read_settings(DEPLOY / "kustomize/overlays" / overlay / "settings.yaml")
    assert one(overlay, "ServiceAccount", settings.spark.service_account)
    assert one(overlay, "ServiceAccount", settings.pytorch.service_account)
    assert {SparkSettings().service_account, PyTorchSettings().service_account} == {"ctr-spark", "ctr-pytorch"}


def test_a_run_gets_the_code_locations_image_and_environment(location):
    assert location["includeConfigInLaunchedRuns"] == {"enabled": True}
    # A list: the chart passes a mapping to the code server only.
    assert isinstance(location["env"], list)


def test_the_environment_is_what_the_code_reads(location):
    names = {entry["name"] for entry in location["env"]}
    ours = {name for name in names if name.startswith("CTR_")}
    assert {"CTR_DEPLOYMENT", "CTR_LANDING_URL", "CTR_STORE_URL", "CTR_MESSAGES_URL", "CTR_KUBERNETES_SETTINGS"} == ours
    assert ours <= VARIABLES.keys()


def test_the_settings_file_is_mounted_where_the_environment_says(overlay, location):
    environment = {entry["name"]: entry["value"] for entry in location["env"]}
    (volume,), (mount,) = location["volumes"], location["volumeMounts"]
    assert volume["name"] == mount["name"]
    (key,) = one(overlay, "ConfigMap", volume["configMap"]["name"])["data"]
    assert environment["CTR_KUBERNETES_SETTINGS"] == f"{mount['mountPath']}/{key}"


def test_the_database_is_external_and_its_password_a_secret_that_exists_already(chart):
    assert chart["postgresql"]["enabled"] is False
    assert chart["generatePostgresqlPasswordSecret"] is False
    assert "postgresqlPassword" not in chart["postgresql"]


def test_kinds_database_and_emulator_are_where_the_values_look():
    chart = values(*FILES["kind"])
    postgres = one("kind", "Deployment", "postgres")["spec"]["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry for entry in postgres["env"]}
    assert environment["POSTGRES_USER"]["value"] == chart["postgresql"]["postgresqlUsername"]
    assert environment["POSTGRES_DB"]["value"] == chart["postgresql"]["postgresqlDatabase"]
    secret = environment["POSTGRES_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": chart["global"]["postgresqlSecretName"], "key": "postgresql-password"}
    port = one("kind", "Service", chart["postgresql"]["postgresqlHost"])["spec"]["ports"][0]["port"]
    assert port == chart["postgresql"]["service"]["port"]
    emulator = read_settings(DEPLOY / "kustomize/overlays/kind/settings.yaml").cluster.storage_emulator_url
    service = one("kind", "Service", "fake-gcs-server")
    assert emulator == f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    for part in ("dagsterDaemon", "dagsterWebserver"):
        assert {"name": "STORAGE_EMULATOR_HOST", "value": emulator} in chart[part]["env"]
    (location,) = chart["dagster-user-deployments"]["deployments"]
    assert {"name": "STORAGE_EMULATOR_HOST", "value": emulator} in location["env"]


def test_every_bucket_is_one_bucket(overlay, chart, location):
    bucket = chart["computeLogManager"]["config"]["gcsComputeLogManager"]["bucket"]
    urls = [entry["value"] for entry in location["env"] if str(entry["value"]).startswith("gs://")]
    assert {url.split("/")[2] for url in urls} == {bucket}
    text = (DEPLOY / "kustomize/overlays" / overlay / "settings.yaml").read_text()
    assert set(re.findall(r"gs://([\w-]+)", text)) <= {bucket}


def test_the_spark_operator_watches_the_jobs_namespace_and_makes_nothing_that_we_make():
    chart = values("spark-operator-values.yaml")
    assert chart["spark"]["jobNamespaces"] == [ClusterSettings().namespace]
    assert chart["spark"]["serviceAccount"] == {"create": False, "name": SparkSettings().service_account}
    assert chart["spark"]["rbac"]["create"] is False
    # Environment and secrets of the pods are its work.
    assert chart["webhook"]["enable"] is True


def test_everything_is_in_one_namespace(overlay):
    namespaces = {o["metadata"].get("namespace") for o in rendered(overlay) if o["kind"] != "Namespace"}
    assert namespaces == {ClusterSettings().namespace}
