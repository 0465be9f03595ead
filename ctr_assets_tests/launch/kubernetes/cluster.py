"""The cluster that a test runs its jobs on: a fake one that runs them as processes, or a real one of yours.

Both are the same data, so the same tests run on either. A real one needs the operators of the kinds that are tested, a
bucket, and images with the scripted job in them (``deploy/README.md``).
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from google.cloud import storage
from pydantic import Field

from ctr_assets.launch.kubernetes.engines import PyTorchLauncher, SparkLauncher, TrainJobLauncher
from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets.launch.kubernetes.names import CODE_LOCATION
from ctr_assets_tests.kubernetes.fixtures import GcsBucket
from ctr_assets_tests.kubernetes.resources import TRAINING_RUNTIMES
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.scripted_job import Notes

NAMESPACE = "ctr-assets"
REPOSITORY = Path(__file__).parents[3]
JOB_FILE = "ctr_assets_tests/launch/scripted_job.py"
IMAGE_FOLDER = "/opt/ctr"
"""Where docker/*.Dockerfile put the code."""
SETTINGS_PARTS = ("cluster", "spark", "pytorch")
REAL_CLUSTER_VARIABLES = ("KUBECONFIG", "CTR_TEST_MESSAGES_URL", "CTR_TEST_IMAGE_SPARK", "CTR_TEST_IMAGE_PYTORCH")
SMALL_SPARK = {"executors": 1, "driver_memory_gib": 0.5, "driver_memory_overhead_gib": 0.5}
SMALL_PYTORCH = {
    **{"workers": 0, "processes_per_worker": 1, "gpus": 0, "gpu_type": None},
    **{"cpu": 0.25, "memory_gib": 1, "shared_memory_gib": 0.25},
}


class ScriptedSparkLauncher(SparkLauncher):
    """The launcher itself; its driver runs the scripted job."""

    code_folder: str = Field(description="Folder of this repository where the job runs")

    def manifest(self, job, name, labels, environment):
        manifest = super().manifest(replace(job, name="encoded_features"), name, labels, environment)
        manifest["spec"]["mainApplicationFile"] = f"local://{self.code_folder}/{JOB_FILE}"
        return manifest


class ScriptedPyTorchLauncher(PyTorchLauncher):
    """The launcher itself; its pods run the scripted job."""

    code_folder: str = Field(description="Folder of this repository where the job runs")

    def manifest(self, job, name, labels, environment):
        manifest = super().manifest(job, name, labels, environment)
        for replica in manifest["spec"]["pytorchReplicaSpecs"].values():
            replica["template"]["spec"]["containers"][0]["command"] = ["python", f"{self.code_folder}/{JOB_FILE}"]
        return manifest


class ScriptedTrainJobLauncher(TrainJobLauncher):
    """The launcher itself; its pods run the scripted job."""

    code_folder: str = Field(description="Folder of this repository where the job runs")

    def manifest(self, job, name, labels, environment):
        manifest = super().manifest(job, name, labels, environment)
        manifest["spec"]["trainer"]["command"] = ["python", f"{self.code_folder}/{JOB_FILE}"]
        return manifest


KINDS: dict[str, Callable[..., KubernetesLauncher]] = {
    "spark": ScriptedSparkLauncher,
    "pytorch": ScriptedPyTorchLauncher,
    "trainjob": ScriptedTrainJobLauncher,
}
RUNTIME_FILE = REPOSITORY / "deploy" / "kustomize" / "trainer-runtime" / "training-runtime.yaml"


@dataclass(frozen=True)
class Cluster:
    """``url`` and ``code_location`` are one test's own: it sees, sweeps and deletes what is its own, and no more."""

    kubeconfig: str
    namespace: str
    url: str
    code_location: str
    code_folder: str
    settings: Mapping[str, Mapping[str, Any]]
    folder: Path
    kinds: tuple[str, ...] = tuple(KINDS)
    """Whose operators it has."""

    def launcher(self, kind: str, **parts: Mapping[str, Any]) -> Any:
        """A launcher of scripted jobs; ``parts`` change fields of the settings' parts cluster, spark and pytorch."""
        return KINDS[kind](**self.connection(**parts), code_folder=self.code_folder)

    def connection(self, **parts: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of any launcher of this cluster."""
        content = {
            part: {**self.settings.get(part, {}), **parts.get(part, {})} for part in ("cluster", "spark", "pytorch")
        }
        content["cluster"]["namespace"] = self.namespace
        file = self.folder / f"settings-{uuid.uuid4().hex}.yaml"
        file.write_text(yaml.safe_dump(content))
        return {
            "settings_file": str(file),
            "messages_url": f"{self.url}/pipes",
            "kubeconfig": self.kubeconfig,
            "code_location": self.code_location,
        }

    @property
    def notes(self) -> Notes:
        """Where the scripted job and its test meet."""
        return Notes(f"{self.url}/notes")

    def resources(self, kind: str) -> list[dict[str, Any]]:
        """This test's custom resources of one kind."""
        found = self.launcher(kind).client().find(f"{CODE_LOCATION}={self.code_location}")
        return sorted(found, key=lambda resource: resource["metadata"]["name"])

    def messages(self) -> list[str]:
        """Message objects of this test, each as ``RESOURCE/NUMBER.json``."""
        bucket, _, prefix = f"{self.url}/pipes/".removeprefix("gs://").partition("/")
        return [blob.name.removeprefix(prefix) for blob in storage.Client().bucket(bucket).list_blobs(prefix=prefix)]


def fake_cluster(server: FakeApiServer, bucket: GcsBucket, folder: Path) -> Cluster:
    """A fake API server, whose operator must run beside it, and a bucket of the GCS emulator."""
    apply_runtime(server)
    return Cluster(
        kubeconfig=str(server.kubeconfig(folder / "kubeconfig", NAMESPACE)),
        namespace=NAMESPACE,
        url=bucket.uri,
        code_location="ctr_assets",
        code_folder=str(REPOSITORY),
        settings={"pytorch": {"workers": 0}},
        folder=folder,
    )


def apply_runtime(server: FakeApiServer, namespace: str = NAMESPACE) -> None:
    """The runtime of the TrainJobs, as it is deployed."""
    runtime = yaml.safe_load(RUNTIME_FILE.read_text())
    runtime["metadata"]["namespace"] = namespace
    server.store.create(TRAINING_RUNTIMES, runtime)


def missing_variables(environ: Mapping[str, str]) -> list[str]:
    """Names of the variables without which there is no real cluster to test on."""
    return [name for name in REAL_CLUSTER_VARIABLES if not environ.get(name)]


def real_cluster(environ: Mapping[str, str], folder: Path) -> Cluster:
    """The cluster that the environment names, as in ``deploy/README.md``."""
    own = f"test-{uuid.uuid4().hex[:12]}"
    file = environ.get("CTR_TEST_SETTINGS")
    given = yaml.safe_load(Path(file).read_text()) if file else {}
    return Cluster(
        kubeconfig=environ["KUBECONFIG"],
        namespace=environ.get("CTR_TEST_NAMESPACE", NAMESPACE),
        url=f"{environ['CTR_TEST_MESSAGES_URL'].rstrip('/')}/{own}",
        code_location=own,
        code_folder=environ.get("CTR_TEST_CODE_FOLDER", IMAGE_FOLDER),
        settings={
            "cluster": given.get("cluster", {}),
            "spark": given.get("spark", {}) | SMALL_SPARK | {"image": environ["CTR_TEST_IMAGE_SPARK"]},
            "pytorch": given.get("pytorch", {}) | SMALL_PYTORCH | {"image": environ["CTR_TEST_IMAGE_PYTORCH"]},
        },
        folder=folder,
        kinds=tuple(environ.get("CTR_TEST_KINDS", "spark,pytorch").split(",")),
    )
