"""Everything of the kind guide at its busiest moment fits a node on a laptop, by what the manifests ask for."""

import re
from collections.abc import Iterator

import yaml

from ctr_assets.launch import JobDescription
from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job
from ctr_assets.launch.kubernetes.settings import read_settings
from ctr_assets.launch.kubernetes.spark_application import spark_application
from ctr_assets_tests.deploy.files import DEPLOY, rendered, values

# Of 4 cores and 8 GiB, with the laptop's own work beside it.
CPUS, MEBIBYTES = 3.0, 6 * 1024
# What kind 0.30 itself runs on its one node: CPU and MiB that etcd, the API server, its two managers, the network, the
# storage provisioner and two DNS servers ask for, from their own manifests.
OF_KIND = (0.1 + 0.25 + 0.2 + 0.1 + 0.1 + 2 * 0.1, 100 + 50 + 2 * 70)
UNITS = {"m": 1e-3, "Mi": 1.0, "Gi": 1024.0, "": 1.0}


def number(quantity: str | int) -> float:
    found = re.fullmatch(r"([\d.]+)(m|Mi|Gi|)", str(quantity))
    assert found is not None, quantity
    return float(found[1]) * UNITS[found[2]]


def asked(resources: dict) -> tuple[float, float]:
    """CPUs and MiB; a container that asks for nothing would not be counted by a scheduler either."""
    requests = resources["requests"]
    return number(requests["cpu"]), number(requests["memory"])


def servers() -> Iterator[tuple[float, float]]:
    """The overlay's Deployments; the demo's Job has ended before the graph begins."""
    for found in rendered("kind"):
        if found["kind"] == "Deployment":
            for container in found["spec"]["template"]["spec"]["containers"]:
                cpu, memory = asked(container["resources"])
                yield cpu * found["spec"]["replicas"], memory * found["spec"]["replicas"]


def charts() -> Iterator[tuple[float, float]]:
    """Dagster's pods, a worker for each run at a time, and the operators."""
    dagster = values("dagster-values.yaml", "dagster-values-kind.yaml")
    yield asked(dagster["dagsterDaemon"]["resources"])
    yield asked(dagster["dagsterWebserver"]["resources"])
    (location,) = dagster["dagster-user-deployments"]["deployments"]
    # The chart passes the code location's resources on to its runs.
    yield from [asked(location["resources"])] * (1 + dagster["concurrency"]["runs"]["maxConcurrentRuns"])
    spark = values("spark-operator-values.yaml", "spark-operator-values-kind.yaml")
    yield asked(spark["controller"]["resources"])
    yield asked(spark["webhook"]["resources"])
    kustomization = yaml.safe_load((DEPLOY / "kustomize/training-operator/kustomization.yaml").read_text())
    (patch,) = kustomization["patches"]
    (container,) = yaml.safe_load(patch["patch"])["spec"]["template"]["spec"]["containers"]
    yield asked(container["resources"])


def spark_job() -> Iterator[tuple[float, float]]:
    settings = read_settings(DEPLOY / "kustomize/overlays/kind/settings.yaml")
    job = JobDescription("encoded_features", {}, ())
    spec = spark_application(job, "x", {}, {}, settings.cluster, settings.spark)["spec"]
    for role, pods in (("driver", 1), ("executor", spec["executor"]["instances"])):
        # Spark's m is a mebibyte.
        memory = sum(float(spec[role][part].removesuffix("m")) for part in ("memory", "memoryOverhead"))
        yield number(spec[role]["coreRequest"]) * pods, memory * pods


def pytorch_pods() -> Iterator[tuple[float, float]]:
    settings = read_settings(DEPLOY / "kustomize/overlays/kind/settings.yaml")
    job = pytorch_job(JobDescription("wide_deep_model", {}, ()), "x", {}, {}, settings.cluster, settings.pytorch)
    for replica in job["spec"]["pytorchReplicaSpecs"].values():
        (container,) = replica["template"]["spec"]["containers"]
        cpu, memory = asked(container["resources"])
        yield cpu * replica["replicas"], memory * replica["replicas"]


def test_the_busiest_moment_fits_a_laptops_node():
    # One run at a time, which takes its steps one after the other (in_process_executor): one job.
    assert values("dagster-values.yaml", "dagster-values-kind.yaml")["concurrency"]["runs"]["maxConcurrentRuns"] == 1
    for job in (spark_job, pytorch_pods):
        cpus, mebibytes = (sum(part) for part in zip(OF_KIND, *servers(), *charts(), *job(), strict=True))
        assert cpus <= CPUS
        assert mebibytes <= MEBIBYTES
