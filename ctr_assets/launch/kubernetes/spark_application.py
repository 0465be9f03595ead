"""A job as a SparkApplication of the Kubeflow spark-operator (sparkoperator.k8s.io/v1beta2): a pure function."""

from collections.abc import Mapping
from typing import Any, Final

from ctr_assets.jobs import SPARK_JOBS
from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.kubernetes.kinds import QUEUE_LABEL
from ctr_assets.launch.kubernetes.pod import CONTAINER_SECURITY, environment, mebibytes, placement
from ctr_assets.launch.kubernetes.settings import ClusterSettings, SparkSettings
from ctr_assets.launch.kubernetes.spark_conf import spark_conf

MAIN_FILE: Final = "local:///opt/ctr/ctr_assets/jobs/__main__.py"
"""The entry point in the image that docker/spark.Dockerfile builds."""


def spark_application(
    job: JobDescription,
    name: str,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    cluster: ClusterSettings,
    spark: SparkSettings,
) -> dict[str, Any]:
    """The manifest. ``env`` (the Pipes bootstrap) goes to the driver alone: executors report nothing.

    Nothing restarts by itself: an attempt is one resource, and the launcher makes the next one. Raises ValueError for
    a job that is not Spark's.
    """
    if job.name not in SPARK_JOBS:
        raise ValueError(f"{job.name} is no Spark job, expected one of {', '.join(SPARK_JOBS)}")
    all_labels = {**cluster.labels, **labels}
    spec: dict[str, Any] = {
        "type": "Python",
        "mode": "cluster",
        "sparkVersion": spark.spark_version,
        "image": spark.image,
        "imagePullPolicy": cluster.image_pull_policy,
        "mainApplicationFile": MAIN_FILE,
        "arguments": job.arguments,
        "restartPolicy": {"type": "Never"},
        "timeToLiveSeconds": spark.time_to_live_seconds,
        "sparkConf": spark_conf(spark, cluster.storage_emulator_url),
        "driver": {
            **_role(cluster, all_labels, environment(cluster, env), spot=False),
            **_size(
                spark.driver_cores,
                spark.driver_core_request,
                spark.driver_memory_gib,
                spark.driver_memory_overhead_gib,
            ),
            "serviceAccount": spark.service_account,
        },
        "executor": {
            **_role(cluster, all_labels, environment(cluster), spot=spark.spot_executors),
            **_size(
                spark.executor_cores,
                spark.executor_core_request,
                spark.executor_memory_gib,
                spark.executor_memory_overhead_gib,
            ),
        },
    }
    if spark.dynamic_allocation:
        spec["dynamicAllocation"] = {
            "enabled": True,
            "initialExecutors": spark.executors,
            "minExecutors": spark.min_executors,
            "maxExecutors": spark.max_executors,
            # There is no external shuffle service on Kubernetes: keep executors whose shuffle files are needed.
            "shuffleTrackingEnabled": True,
        }
    else:
        spec["executor"]["instances"] = spark.executors
    if cluster.image_pull_secrets:
        spec["imagePullSecrets"] = list(cluster.image_pull_secrets)
    queue = {} if spark.queue is None else {QUEUE_LABEL: spark.queue}
    if queue:
        spec["suspend"] = True
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": name, "namespace": cluster.namespace, "labels": {**all_labels, **queue}},
        "spec": spec,
    }


def _role(cluster: ClusterSettings, labels: dict[str, str], env: list[dict[str, Any]], *, spot: bool) -> dict[str, Any]:
    """What driver and executor pods have alike. Node selectors go here: the webhook refuses them in both places."""
    role: dict[str, Any] = {
        "labels": dict(labels),
        "env": env,
        "securityContext": dict(CONTAINER_SECURITY),
        **placement(cluster, spot=spot),
    }
    if cluster.secret_mounts:
        role["secrets"] = [
            {"name": secret, "path": path, "secretType": "Generic"} for secret, path in cluster.secret_mounts.items()
        ]
    return role


def _size(cores: int, core_request: str | None, memory_gib: float, overhead_gib: float) -> dict[str, Any]:
    size = {
        "cores": cores,
        "memory": f"{mebibytes(memory_gib)}m",
        "memoryOverhead": f"{mebibytes(overhead_gib)}m",
    }
    return size if core_request is None else {**size, "coreRequest": core_request}
