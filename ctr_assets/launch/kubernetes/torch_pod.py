"""The pod of a PyTorch job, whichever operator makes it: container, volumes, placement. A pure function."""

from collections.abc import Mapping
from typing import Any

from ctr_assets.jobs import DISTRIBUTED_JOBS, PYTORCH_JOBS
from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.kubernetes.pod import CONTAINER_SECURITY, GPU_RESOURCE, environment, mebibytes, placement
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings


def size_of(job: JobDescription, torch: PyTorchSettings) -> PyTorchSettings:
    """The settings for this job: only training shares its work among pods and processes.

    Raises ValueError for a job that is not PyTorch's.
    """
    if job.name not in PYTORCH_JOBS:
        raise ValueError(f"{job.name} is no PyTorch job, expected one of {', '.join(PYTORCH_JOBS)}")
    if job.name in DISTRIBUTED_JOBS:
        return torch
    return torch.model_copy(update={"workers": 0, "processes_per_worker": 1, "gpus": min(torch.gpus, 1)})


def command(torch: PyTorchSettings) -> list[str]:
    """Command of every pod. With one rank a pod, the job takes its rank from torchrun's PET_* variables itself.

    ``torchrun`` takes the number of nodes, this node's rank and the master's address from them; the processes a node
    are spelt out, because the operators' default counts CPUs.
    """
    if torch.processes_per_worker == 1:
        return ["python", "-m", "ctr_assets.jobs"]
    return [
        *["python", "-m", "torch.distributed.run", f"--nproc-per-node={torch.processes_per_worker}"],
        *["-m", "ctr_assets.jobs"],
    ]


def torch_pod(
    container_name: str, job: JobDescription, env: Mapping[str, str], cluster: ClusterSettings, torch: PyTorchSettings
) -> dict[str, Any]:
    """The pod's spec. ``env`` (the Pipes bootstrap) goes to every pod: the job opens Pipes on rank 0 alone."""
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
        "name": container_name,
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
