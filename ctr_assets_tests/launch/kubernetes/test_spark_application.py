"""The SparkApplication, line by line, and against the schema that the operator publishes."""

import pytest
from kubeflow_spark_api.models import SparkV1beta2SparkApplication

from ctr_assets.launch.kubernetes.settings import ClusterSettings, SecretKey, SparkSettings, Toleration
from ctr_assets.launch.kubernetes.spark_application import spark_application
from ctr_assets.launch.kubernetes.spark_conf import gcs_conf
from ctr_assets_tests.launch.kubernetes.manifests import (
    LABELS,
    PIPES,
    ROOT,
    SPARK_JOB,
    TRAINING_JOB,
    assert_operators_accept,
    env_of,
)

SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
EVERYTHING = (
    ClusterSettings(
        namespace="ml",
        labels={"team": "ctr"},
        node_selector={"pool": "jobs"},
        tolerations=(Toleration(key="jobs", operator="Exists"),),
        env={"LEVEL": "debug"},
        env_from_secrets={"TOKEN": SecretKey(name="tokens", key="ctr")},
        secret_mounts={"certificates": "/etc/certificates"},
        image_pull_policy="Never",
        image_pull_secrets=("registry",),
        google_cloud_project="p",
        storage_emulator_url="http://gcs:4443",
    ),
    SparkSettings(
        driver_core_request="500m",
        executor_core_request="1500m",
        dynamic_allocation=True,
        spot_executors=True,
        event_log_url="gs://b/events",
        local_disk_gib=20,
        spark_conf={"spark.speculation": "true"},
    ),
)


def application(cluster=None, spark=None, job=SPARK_JOB):
    return spark_application(
        job, "ctr-x-a0", LABELS, PIPES, cluster or ClusterSettings(), spark or SparkSettings(image="r/ctr-spark:1")
    )


def test_the_defaults_line_by_line():
    assert application() == {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": "ctr-x-a0", "namespace": "ctr-assets", "labels": LABELS},
        "spec": {
            "type": "Python",
            "mode": "cluster",
            "sparkVersion": "4.3.0",
            "image": "r/ctr-spark:1",
            "imagePullPolicy": "IfNotPresent",
            "mainApplicationFile": "local:///opt/ctr/ctr_assets/jobs/__main__.py",
            "arguments": [
                "encoded_features",
                "--params",
                '{"days": ["2014-10-21"], "store_url": "gs://b/store"}',
            ],
            "restartPolicy": {"type": "Never"},
            "timeToLiveSeconds": 3600,
            "sparkConf": gcs_conf(),
            "driver": {
                "labels": LABELS,
                "env": [
                    {"name": "DAGSTER_PIPES_CONTEXT", "value": "c"},
                    {"name": "DAGSTER_PIPES_MESSAGES", "value": "m"},
                ],
                "securityContext": SECURITY,
                "cores": 1,
                "memory": "2048m",
                "memoryOverhead": "1024m",
                "serviceAccount": "ctr-spark",
            },
            "executor": {
                "labels": LABELS,
                "env": [],
                "securityContext": SECURITY,
                "cores": 4,
                "memory": "4096m",
                "memoryOverhead": "6144m",
                "instances": 2,
            },
        },
    }


def test_the_entry_point_is_where_the_image_has_it():
    path = application()["spec"]["mainApplicationFile"].removeprefix("local:///opt/ctr/")
    assert (ROOT / path).is_file()


def test_executors_are_not_told_where_to_report():
    executor = env_of(application(*EVERYTHING)["spec"]["executor"])
    assert executor.keys().isdisjoint(PIPES)
    assert executor["STORAGE_EMULATOR_HOST"] == "http://gcs:4443"
    assert env_of(application(*EVERYTHING)["spec"]["driver"]).keys() >= PIPES.keys()


@pytest.mark.parametrize(("memory_gib", "said"), [(2, "2048m"), (1.5, "1536m"), (0.5, "512m"), (1.0001, "1025m")])
def test_memory_is_rounded_up_to_whole_mebibytes(memory_gib, said):
    spec = application(spark=SparkSettings(driver_memory_gib=memory_gib, executor_memory_gib=memory_gib))["spec"]
    assert spec["driver"]["memory"] == spec["executor"]["memory"] == said


def test_dynamic_allocation_starts_with_the_executors_and_keeps_shuffle_files():
    spark = SparkSettings(dynamic_allocation=True, executors=3, min_executors=1, max_executors=20)
    spec = application(spark=spark)["spec"]
    assert spec["dynamicAllocation"] == {
        "enabled": True,
        "initialExecutors": 3,
        "minExecutors": 1,
        "maxExecutors": 20,
        "shuffleTrackingEnabled": True,
    }
    assert "instances" not in spec["executor"]


def test_only_executors_go_to_spot_nodes():
    spec = application(spark=SparkSettings(spot_executors=True))["spec"]
    assert spec["executor"]["nodeSelector"] == {"cloud.google.com/gke-spot": "true"}
    assert spec["executor"]["tolerations"] == [
        {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    ]
    assert {"nodeSelector", "tolerations"}.isdisjoint(spec["driver"])
    assert spec["sparkConf"]["spark.decommission.enabled"] == "true"


def test_placement_of_the_cluster_holds_for_driver_and_executors():
    cluster = ClusterSettings(
        node_selector={"pool": "jobs"},
        tolerations=(Toleration(key="jobs", operator="Exists"), Toleration(key="a", value="b", effect="NoSchedule")),
    )
    spec = application(cluster)["spec"]
    for role in ("driver", "executor"):
        assert spec[role]["nodeSelector"] == {"pool": "jobs"}
        assert spec[role]["tolerations"] == [
            {"key": "jobs", "operator": "Exists"},
            {"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"},
        ]
    # The webhook refuses a node selector in both places.
    assert "nodeSelector" not in spec


def test_secrets_are_named_and_never_shown():
    cluster = ClusterSettings(
        env_from_secrets={"TOKEN": SecretKey(name="tokens", key="ctr")}, secret_mounts={"certificates": "/etc/c"}
    )
    spec = application(cluster)["spec"]
    for role in ("driver", "executor"):
        assert env_of(spec[role])["TOKEN"] == {"secretKeyRef": {"name": "tokens", "key": "ctr"}}
        assert spec[role]["secrets"] == [{"name": "certificates", "path": "/etc/c", "secretType": "Generic"}]


def test_the_jobs_own_environment_wins_but_not_over_a_secret():
    assert env_of(application(ClusterSettings(env={"DAGSTER_PIPES_CONTEXT": "x"}))["spec"]["driver"])[
        "DAGSTER_PIPES_CONTEXT"
    ] == ("c")
    secret = ClusterSettings(env_from_secrets={"DAGSTER_PIPES_CONTEXT": SecretKey(name="s", key="k")})
    with pytest.raises(ValueError, match=r"DAGSTER_PIPES_CONTEXT: set for the job and in cluster\.env_from_secrets"):
        application(secret)


def test_a_job_of_a_queue_is_created_suspended_and_its_label_is_not_its_pods():
    manifest = application(spark=SparkSettings(queue="ctr"))
    assert manifest["spec"]["suspend"] is True
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ctr"
    assert "kueue.x-k8s.io/queue-name" not in manifest["spec"]["driver"]["labels"]
    assert "suspend" not in application()["spec"]


def test_the_owners_labels_win_and_reach_every_pod():
    cluster = ClusterSettings(labels={"team": "ctr", "ctr-assets/run-id": "forged"})
    manifest = application(cluster)
    wanted = {**LABELS, "team": "ctr"}
    spec = manifest["spec"]
    assert manifest["metadata"]["labels"] == spec["driver"]["labels"] == spec["executor"]["labels"] == wanted


def test_the_webhook_is_given_nothing_it_refuses():
    assert "spark.kubernetes.namespace" not in application(*EVERYTHING)["spec"]["sparkConf"]


def test_a_pytorch_job_is_refused():
    with pytest.raises(ValueError, match="wide_deep_model is no Spark job, expected one of raw_impressions"):
        application(job=TRAINING_JOB)


@pytest.mark.parametrize("settings", [(None, None), EVERYTHING], ids=["defaults", "everything"])
def test_the_operators_own_model_reads_every_field(settings):
    manifest = application(*settings)
    read = SparkV1beta2SparkApplication.from_dict(manifest)
    assert read is not None
    # A misspelt field would be dropped on the way.
    assert read.to_dict() == manifest


def test_the_published_schema_accepts_it():
    cluster, spark = EVERYTHING
    some = [ClusterSettings(), cluster]
    sizes = [SparkSettings(), SparkSettings(spot_executors=True, queue="ctr"), spark]
    assert_operators_accept([application(c, s) for c in some for s in sizes])
