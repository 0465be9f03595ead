"""A job as a PyTorchJob of the Kubeflow training-operator (kubeflow.org/v1): a pure function.

No pod restarts by itself, and one failed pod fails the job: the launcher then creates the next attempt, and training
goes on from its last checkpoint. (``OnFailure`` without a backoff limit never ends, ``ExitCode`` ignores the limit.)
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.kubernetes.kinds import QUEUE_LABEL
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings
from ctr_assets.launch.kubernetes.torch_pod import size_of, torch_pod

CONTAINER: Final = "pytorch"
"""The operator sets MASTER_ADDR, RANK, WORLD_SIZE and torchrun's PET_* variables only in the container of this name."""


def pytorch_job(
    job: JobDescription,
    name: str,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    cluster: ClusterSettings,
    torch: PyTorchSettings,
) -> dict[str, Any]:
    """The manifest. Raises ValueError for a job that is not PyTorch's."""
    torch = size_of(job, torch)
    all_labels = {**cluster.labels, **labels}
    template = {"metadata": {"labels": dict(all_labels)}, "spec": torch_pod(CONTAINER, job, env, cluster, torch)}
    replicas: dict[str, Any] = {"Master": {"replicas": 1, "restartPolicy": "Never", "template": template}}
    if torch.workers:
        replicas["Worker"] = {"replicas": torch.workers, "restartPolicy": "Never", "template": deepcopy(template)}
    queue = {} if torch.queue is None else {QUEUE_LABEL: torch.queue}
    spec: dict[str, Any] = {
        "runPolicy": {
            # The default, None, lets the other pods run on (and keep their GPUs) after the job has ended.
            "cleanPodPolicy": "Running",
            "ttlSecondsAfterFinished": torch.time_to_live_seconds,
            "activeDeadlineSeconds": torch.active_deadline_seconds,
            **({"suspend": True} if queue else {}),
        },
        "pytorchReplicaSpecs": replicas,
    }
    if torch.processes_per_worker > 1:
        spec["nprocPerNode"] = str(torch.processes_per_worker)
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": name, "namespace": cluster.namespace, "labels": {**all_labels, **queue}},
        "spec": spec,
    }
