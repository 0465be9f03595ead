"""The smallest manifests that the server takes, for tests of the server and the operator themselves."""

from typing import Any

from ctr_assets_tests.kubernetes.resources import PYTORCH_JOBS, SPARK_APPLICATIONS, TRAIN_JOBS, TRAINING_RUNTIMES, Json

NAMESPACE = "ml"


def spark_application(name: str, *arguments: str, file: str = "local:///opt/app/app.py", **spec: Any) -> Json:
    driver = {"cores": 1, "memory": "512m"} | spec.pop("driver", {})
    defaults = {"type": "Python", "mode": "cluster", "image": "localhost/spark:3.5.9", "sparkVersion": "3.5.9"}
    defaults |= {"mainApplicationFile": file}
    body = defaults | {"arguments": list(arguments), "driver": driver, "executor": {"instances": 1}} | spec
    api_version = SPARK_APPLICATIONS.api_version
    return {"apiVersion": api_version, "kind": "SparkApplication", "metadata": {"name": name}, "spec": body}


def pytorch_job(name: str, *command: str, workers: int = 0, restart_policy: str = "Never", **run_policy: Any) -> Json:
    container = {"name": "pytorch", "image": "localhost/torch:1", "command": list(command)}
    template = {"spec": {"containers": [container], "terminationGracePeriodSeconds": 5}}
    replica = {"restartPolicy": restart_policy, "template": template}
    specs = {"Master": replica | {"replicas": 1}} | ({"Worker": replica | {"replicas": workers}} if workers else {})
    spec = {"pytorchReplicaSpecs": specs, "runPolicy": run_policy}
    api_version = PYTORCH_JOBS.api_version
    return {"apiVersion": api_version, "kind": "PyTorchJob", "metadata": {"name": name}, "spec": spec}


def train_job(name: str, *command: str, nodes: int = 1, **spec: Any) -> Json:
    trainer = {"image": "localhost/torch:1", "numNodes": nodes, "numProcPerNode": 1, "command": list(command)}
    body = {"runtimeRef": {"name": "ctr-torch", "kind": "TrainingRuntime"}, "trainer": trainer} | spec
    return {"apiVersion": TRAIN_JOBS.api_version, "kind": "TrainJob", "metadata": {"name": name}, "spec": body}


def training_runtime(**job_set: Any) -> Json:
    """What :func:`train_job` names."""
    container = {"name": "node", "image": "localhost/torch:1"}
    template = {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [container]}}
    step = {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}}
    node = {"name": "node", "template": {"metadata": step, "spec": {"backoffLimit": 0, "template": template}}}
    spec = {"mlPolicy": {"numNodes": 1, "torch": {}}, "template": {"spec": {"replicatedJobs": [node]} | job_set}}
    kind = {"apiVersion": TRAINING_RUNTIMES.api_version, "kind": TRAINING_RUNTIMES.kind}
    return kind | {"metadata": {"name": "ctr-torch", "namespace": NAMESPACE}, "spec": spec}


def job(name: str, **spec: Any) -> Json:
    container = {"name": "dagster", "image": "localhost/busybox:1", "command": ["sh", "-c", "true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 5}}
    body = {"backoffLimit": 0, "template": template} | spec
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": body}


def pod(name: str, *containers: str, **metadata: Any) -> Json:
    specs = [{"name": one, "image": "localhost/busybox:1"} for one in containers or ("main",)]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 3, "containers": specs}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name} | metadata, "spec": spec}
