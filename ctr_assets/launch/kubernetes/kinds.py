"""The kinds of custom resources that jobs become, and what belongs to them. Pure data."""

from dataclasses import dataclass
from typing import Final, Literal


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
    propagation: Literal["Foreground", "Background"] = "Foreground"
    """How it is deleted: in the background where its controller makes anew what a foreground delete takes first."""
    child: "Kind | None" = None
    """What its controller makes under its very name, with the pods below."""


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

_OF_JOB_SET: Final = "jobset.sigs.k8s.io/jobset-name"
_RANK_0: Final = {"batch.kubernetes.io/job-completion-index": "0"}
JOB_SET: Final = Kind(
    "jobset.x-k8s.io", "v1alpha2", "jobsets", "JobSet", _OF_JOB_SET, _RANK_0, "node", propagation="Background"
)
TRAIN_JOB: Final = Kind(
    "trainer.kubeflow.org",
    "v1alpha1",
    "trainjobs",
    "TrainJob",
    _OF_JOB_SET,
    _RANK_0,
    "node",
    propagation="Background",
    child=JOB_SET,
)
TRAINING_RUNTIME: Final = Kind(
    "trainer.kubeflow.org", "v1alpha1", "trainingruntimes", "TrainingRuntime", _OF_JOB_SET, _RANK_0, "node"
)
JOB: Final = Kind("batch", "v1", "jobs", "Job", "batch.kubernetes.io/job-name", _RANK_0, "node")
JOB_SET_UID: Final = "jobset.sigs.k8s.io/jobset-uid"
"""Label of the Job and the pods of one JobSet, and of no other of its name."""
