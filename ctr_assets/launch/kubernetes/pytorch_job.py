"""A job as a PyTorchJob of the Kubeflow training-operator (kubeflow.org/v1): a pure function.

No pod restarts by itself, and one failed pod fails the job: the launcher then creates the next attempt, and training
goes on from its last checkpoint. (``OnFailure`` without a backoff limit never ends, ``ExitCode`` ignores the limit.)
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from ctr_assets.jobs import DISTRIBUTED_JOBS, PYTORCH_JOBS
from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.kubernetes.kinds import QUEUE_LABEL
from ctr_assets.launch.kubernetes.pod import CONTAINER_SECURITY, GPU_RESOURCE, environment, mebibytes, placement
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings

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
    """The manifest. ``env`` (the Pipes bootstrap) goes to every pod: the job opens Pipes on rank 0 alone.

    Raises ValueError for a job that is not PyTorch's.
    """
    if job.name not in PYTORCH_JOBS:
        raise ValueError(f"{job.name} is no PyTorch job, expected one of {', '.join(PYTORCH_JOBS)}")
    if job.name not in DISTRIBUTED_JOBS:
        torch = torch.model_copy(update={"workers": 0, "processes_per_worker": 1, "gpus": min(torch.gpus, 1)})
    all_labels = {**cluster.labels, **labels}
    template = {"metadata": {"labels": dict(all_labels)}, "spec": _pod(job, env, cluster, torch)}
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


def command(torch: PyTorchSettings) -> list[str]:
    """Command of every pod. With one rank a pod, the operator's RANK and WORLD_SIZE are already the rank's own.

    ``torchrun`` takes the number of nodes, this node's rank and the master's address from the operator's PET_*
    variables; the processes a node are spelt out, because the operator's default, auto, counts the node's CPUs.
    """
    if torch.processes_per_worker == 1:
        return ["python", "-m", "ctr_assets.jobs"]
    return [
        *["python", "-m", "torch.distributed.run", f"--nproc-per-node={torch.processes_per_worker}"],
        *["-m", "ctr_assets.jobs"],
    ]


def _pod(
    job: JobDescription, env: Mapping[str, str], cluster: ClusterSettings, torch: PyTorchSettings
) -> dict[str, Any]:
    threads = max(1, int(torch.cpu / torch.processes_per_worker))
    memory = f"{mebibytes(torch.memory_gib)}Mi"
    gpus = {GPU_RESOURCE: torch.gpus} if torch.gpus else {}
    mounts: list[dict[str, Any]] = [{"name": "shm", "mountPath": "/dev/shm"}]
    volumes: list[dict[str, Any]] = [
        # A container's own /dev/shm has 64 MiB: too little for gloo and NCCL between the ranks of a pod.
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{mebibytes(torch.shared_memory_gib)}Mi"}}
    ]
    for number, (secret, path) in enumerate(cluster.secret_mounts.items()):
        mounts.append({"name": f"secret-{number}", "mountPath": path, "readOnly": True})
        volumes.append({"name": f"secret-{number}", "secret": {"secretName": secret}})
    container = {
        "name": CONTAINER,
        "image": torch.image,
        "imagePullPolicy": cluster.image_pull_policy,
        "command": command(torch),
        "args": job.arguments,
        # A library that counts CPUs sees the node's, not the pod's.
        "env": environment(cluster, env, {"OMP_NUM_THREADS": str(threads)}),
        "resources": {
            "requests": {"cpu": f"{round(torch.cpu * 1000)}m", "memory": memory, **gpus},
            "limits": {"memory": memory, **gpus},
        },
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": mounts,
    }
    pull_secrets = [{"name": secret} for secret in cluster.image_pull_secrets]
    return {
        "serviceAccountName": torch.service_account,
        # Python as a container's process 1 would ignore SIGTERM: every delete would take the whole grace period.
        "shareProcessNamespace": True,
        **placement(cluster, spot=torch.spot, gpus=torch.gpus, gpu_type=torch.gpu_type if torch.gpus else None),
        **({"imagePullSecrets": pull_secrets} if pull_secrets else {}),
        "containers": [container],
        "volumes": volumes,
    }
