"""The launchers of the two engines: Spark jobs as SparkApplications, PyTorch jobs as PyTorchJobs or TrainJobs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ctr_assets.jobs import DISTRIBUTED_JOBS
from ctr_assets.launch.job import Footprint, JobDescription
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION, TRAIN_JOB, TRAINING_RUNTIME, Kind
from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets.launch.kubernetes.settings import PyTorchSettings, SparkSettings, override

if TYPE_CHECKING:
    from ctr_assets.launch.kubernetes.client import ResourceClient


class SparkLauncher(KubernetesLauncher):
    """Spark jobs as SparkApplications."""

    @property
    def kind(self) -> Kind:
        return SPARK_APPLICATION

    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        from ctr_assets.launch.kubernetes.spark_application import spark_application

        return spark_application(job, name, labels, environment, self.settings.cluster, self._spark(job))

    def footprint(self, job: JobDescription) -> Footprint:
        spark = self._spark(job)
        executors = spark.max_executors if spark.dynamic_allocation else spark.executors
        return Footprint(cores=spark.driver_cores + executors * spark.executor_cores)

    def _spark(self, job: JobDescription) -> SparkSettings:
        return override(self.settings.spark, job.resources)


class TorchLauncher(KubernetesLauncher):
    """What the launchers of PyTorch jobs have alike."""

    def footprint(self, job: JobDescription) -> Footprint:
        torch = self._torch(job)
        pods = 1 + (torch.workers if job.name in DISTRIBUTED_JOBS else 0)
        return Footprint(cores=pods * torch.cpu, gpus=pods * torch.gpus)

    def _torch(self, job: JobDescription) -> PyTorchSettings:
        return override(self.settings.pytorch, job.resources)


class PyTorchLauncher(TorchLauncher):
    """PyTorch jobs as PyTorchJobs."""

    @property
    def kind(self) -> Kind:
        return PYTORCH_JOB

    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job

        return pytorch_job(job, name, labels, environment, self.settings.cluster, self._torch(job))


class TrainJobLauncher(TorchLauncher):
    """PyTorch jobs as TrainJobs."""

    @property
    def kind(self) -> Kind:
        return TRAIN_JOB

    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        from ctr_assets.launch.kubernetes.train_job import train_job

        return train_job(job, name, labels, environment, self.settings.cluster, self._torch(job))

    def obstacle(self, client: "ResourceClient") -> str | None:
        """A runtime that is missing, or under which jobs would run otherwise."""
        from ctr_assets.launch.kubernetes.train_job import RUNTIME, problems_of_runtime

        what = f"TrainingRuntime {client.namespace}/{RUNTIME}"
        runtime = client.of(TRAINING_RUNTIME).get(RUNTIME)
        if runtime is None:
            return f"{what} is missing: apply deploy/kustomize/trainer-runtime"
        problems = problems_of_runtime(runtime, self.settings.cluster)
        return (
            f"{what} does not fit: {'; '.join(problems)}; apply deploy/kustomize/trainer-runtime" if problems else None
        )
