"""The two kinds of custom resources that jobs become. Pure data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """A custom resource's coordinates, and how its pods are found."""

    group: str
    version: str
    plural: str
    kind: str
    pod_label: str
    """Label that all pods of a resource carry, its name as the value."""
    main_pod: dict[str, str]
    """Labels of the one pod that runs the entry point and reports."""
    container: str


QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
"""Label of a resource, not of its pods: which LocalQueue of Kueue it waits in."""

SPARK_APPLICATION: Final = Kind(
    "sparkoperator.k8s.io",
    "v1beta2",
    "sparkapplications",
    "SparkApplication",
    "sparkoperator.k8s.io/app-name",
    {"spark-role": "driver"},
    "spark-kubernetes-driver",
)
PYTORCH_JOB: Final = Kind(
    "kubeflow.org",
    "v1",
    "pytorchjobs",
    "PyTorchJob",
    "training.kubeflow.org/job-name",
    {"training.kubeflow.org/replica-type": "master"},
    "pytorch",
)
