"""The launchers of the two engines: Spark jobs as SparkApplications, PyTorch jobs as PyTorchJobs."""

from collections.abc import Mapping
from typing import Any

from ctr_assets.jobs import DISTRIBUTED_JOBS
from ctr_assets.launch.job import Footprint, JobDescription
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION, Kind
from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets.launch.kubernetes.settings import PyTorchSettings, SparkSettings, override


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


class PyTorchLauncher(KubernetesLauncher):
    """PyTorch jobs as PyTorchJobs."""

    @property
    def kind(self) -> Kind:
        return PYTORCH_JOB

    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job

        return pytorch_job(job, name, labels, environment, self.settings.cluster, self._torch(job))

    def footprint(self, job: JobDescription) -> Footprint:
        torch = self._torch(job)
        pods = 1 + (torch.workers if job.name in DISTRIBUTED_JOBS else 0)
        return Footprint(cores=pods * torch.cpu, gpus=pods * torch.gpus)

    def _torch(self, job: JobDescription) -> PyTorchSettings:
        return override(self.settings.pytorch, job.resources)
