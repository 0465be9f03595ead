"""The resources that the fake API server serves: group, names and what can be selected on. A table, no behaviour."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

EVENT_FIELDS = frozenset(
    f"involvedObject.{field}"
    for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
) | {"reason", "type", "reportingComponent", "source"}
POD_FIELDS = frozenset(
    {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"}
    | {"status.podIP", "status.nominatedNodeName"}
)


@dataclass(frozen=True)
class Resource:
    """One resource of the API, e.g. group `batch`, plural `jobs`; the core group's name is empty."""

    group: str
    version: str
    plural: str
    kind: str
    is_custom: bool = False
    has_status: bool = False
    fields: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified_plural(self) -> str:
        """As messages name it: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """As validation messages name it: `Job.batch`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


SPARK_APPLICATIONS = Resource(
    "sparkoperator.k8s.io", "v1beta2", "sparkapplications", "SparkApplication", is_custom=True, has_status=True
)
PYTORCH_JOBS = Resource("kubeflow.org", "v1", "pytorchjobs", "PyTorchJob", is_custom=True, has_status=True)
TRAIN_JOBS = Resource("trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob", is_custom=True, has_status=True)
TRAINING_RUNTIMES = Resource("trainer.kubeflow.org", "v1alpha1", "trainingruntimes", "TrainingRuntime", is_custom=True)
CLUSTER_TRAINING_RUNTIMES = Resource(
    "trainer.kubeflow.org", "v1alpha1", "clustertrainingruntimes", "ClusterTrainingRuntime", is_custom=True
)
JOB_SETS = Resource("jobset.x-k8s.io", "v1alpha2", "jobsets", "JobSet", is_custom=True, has_status=True)
JOBS = Resource("batch", "v1", "jobs", "Job", has_status=True, fields=frozenset({"status.successful"}))
PODS = Resource("", "v1", "pods", "Pod", has_status=True, fields=POD_FIELDS)
EVENTS = Resource("", "v1", "events", "Event", fields=EVENT_FIELDS)
SERVICES = Resource("", "v1", "services", "Service")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")

RESOURCES = (
    *(SPARK_APPLICATIONS, PYTORCH_JOBS, TRAIN_JOBS, TRAINING_RUNTIMES, CLUSTER_TRAINING_RUNTIMES, JOB_SETS),
    *(JOBS, PODS, EVENTS, SERVICES, CONFIG_MAPS, SECRETS),
)


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """The resource of that path, or None where the server would say 404."""
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.plural) == (group, version, plural):
            return resource
    return None
