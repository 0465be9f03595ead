"""The busiest moment of each overlay, by what its manifests ask for: kind's fits a laptop, GKE's the quota."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

import yaml

from ctr_assets.launch import JobDescription
from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job
from ctr_assets.launch.kubernetes.settings import KubernetesSettings, read_settings
from ctr_assets.launch.kubernetes.spark_application import spark_application
from ctr_assets_tests.deploy.files import DEPLOY, one, rendered, values

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


def servers(overlay: str) -> Iterator[tuple[float, float]]:
    """The overlay's Deployments, as many as may be; the demo's Job has ended before the graph begins."""
    scalers = [o for o in rendered(overlay) if o["kind"] == "HorizontalPodAutoscaler"]
    most = {o["metadata"]["name"]: o["spec"]["maxReplicas"] for o in scalers}
    for found in (o for o in rendered(overlay) if o["kind"] == "Deployment"):
        for container in found["spec"]["template"]["spec"]["containers"]:
            cpu, memory = asked(container["resources"])
            replicas = most.get(found["metadata"]["name"], found["spec"]["replicas"])
            yield cpu * replicas, memory * replicas


def dagster_values(overlay: str) -> dict:
    return values("dagster-values.yaml", *(["dagster-values-kind.yaml"] * (overlay == "kind")))


def dagster(overlay: str) -> Iterator[tuple[float, float]]:
    """Dagster's pods, and a worker for each run at a time."""
    chart = dagster_values(overlay)
    yield asked(chart["dagsterDaemon"]["resources"])
    yield asked(chart["dagsterWebserver"]["resources"])
    (location,) = chart["dagster-user-deployments"]["deployments"]
    # The chart passes the code location's resources on to its runs.
    yield from [asked(location["resources"])] * (1 + chart["concurrency"]["runs"]["maxConcurrentRuns"])


def operators() -> Iterator[tuple[float, float]]:
    """Of kind. They have namespaces of their own."""
    spark = values("spark-operator-values.yaml", "spark-operator-values-kind.yaml")
    yield asked(spark["controller"]["resources"])
    yield asked(spark["webhook"]["resources"])
    kustomization = yaml.safe_load((DEPLOY / "kustomize/training-operator/kustomization.yaml").read_text())
    (patch,) = kustomization["patches"]
    (container,) = yaml.safe_load(patch["patch"])["spec"]["template"]["spec"]["containers"]
    yield asked(container["resources"])


def settings_of(overlay: str) -> KubernetesSettings:
    return read_settings(DEPLOY / "kustomize/overlays" / overlay / "settings.yaml")


def spark_job(overlay: str) -> Iterator[tuple[float, float]]:
    settings = settings_of(overlay)
    job = JobDescription("encoded_features", {}, ())
    spec = spark_application(job, "x", {}, {}, settings.cluster, settings.spark)["spec"]
    for role, pods in (("driver", 1), ("executor", spec["executor"]["instances"])):
        # Spark's m is a mebibyte.
        memory = sum(float(spec[role][part].removesuffix("m")) for part in ("memory", "memoryOverhead"))
        yield number(spec[role].get("coreRequest", spec[role]["cores"])) * pods, memory * pods


def training_job(overlay: str) -> Iterator[tuple[float, float]]:
    settings = settings_of(overlay)
    job = pytorch_job(JobDescription("wide_deep_model", {}, ()), "x", {}, {}, settings.cluster, settings.pytorch)
    for replica in job["spec"]["pytorchReplicaSpecs"].values():
        (container,) = replica["template"]["spec"]["containers"]
        cpu, memory = asked(container["resources"])
        yield cpu * replica["replicas"], memory * replica["replicas"]


def total(*parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """CPUs and MiB of all of them."""
    cpus, mebibytes = zip(*chain(*parts), strict=True)
    return sum(cpus), sum(mebibytes)


def test_the_busiest_moment_of_kind_fits_a_laptops_node():
    # One run at a time, which takes its steps one after the other (in_process_executor): one job.
    assert dagster_values("kind")["concurrency"]["runs"]["maxConcurrentRuns"] == 1
    for job in (spark_job, training_job):
        cpus, mebibytes = total([OF_KIND], servers("kind"), dagster("kind"), operators(), job("kind"))
        assert cpus <= CPUS
        assert mebibytes <= MEBIBYTES


def test_all_that_the_guides_pools_let_run_at_once_fits_the_quota():
    """Else a run's worker waits for room, too long to be started, while the jobs of others have it."""
    pools = re.findall(r"concurrency set (\w+) (\d+)", (DEPLOY / "README.md").read_text())
    limits = {pool: int(runs) for pool, runs in pools}
    jobs = [*spark_job("gke")] * limits["spark"] + [*training_job("gke")] * limits["gpu"]
    cpus, mebibytes = total(servers("gke"), dagster("gke"), jobs)
    quota = one("gke", "ResourceQuota", "ctr-assets")["spec"]["hard"]
    assert cpus <= number(quota["requests.cpu"])
    assert mebibytes <= number(quota["requests.memory"])
    assert limits["gpu"] * settings_of("gke").pytorch.gpus <= number(quota["requests.nvidia.com/gpu"])
