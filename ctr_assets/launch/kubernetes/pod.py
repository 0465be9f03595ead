"""Parts of a pod that Spark and PyTorch jobs share: environment, placement, security. Plain dicts, as in YAML."""

from collections.abc import Mapping
from typing import Any, Final

from ctr_assets.launch.kubernetes.settings import ClusterSettings

SPOT_LABEL: Final = "cloud.google.com/gke-spot"
GPU_TYPE_LABEL: Final = "cloud.google.com/gke-accelerator"
GPU_RESOURCE: Final = "nvidia.com/gpu"

EMULATOR_PROJECT: Final = "test"
"""Storage clients insist on a project; the emulator takes any."""

CONTAINER_SECURITY: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the restricted Pod Security Standard asks of a container; kubelet can check it: the images' user is a number."""


def storage_environment(cluster: ClusterSettings) -> dict[str, str]:
    """What the storage clients need to know: nothing on GKE but perhaps the project; the emulator's address on kind."""
    project = cluster.google_cloud_project
    if cluster.storage_emulator_url is None:
        return {} if project is None else {"GOOGLE_CLOUD_PROJECT": project}
    return {
        "GOOGLE_CLOUD_PROJECT": project or EMULATOR_PROJECT,
        "STORAGE_EMULATOR_HOST": cluster.storage_emulator_url.rstrip("/"),
        # Else gcsfs (2026.10) asks for the bucket's layout first and stalls 60 s a bucket against http.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


def environment(
    cluster: ClusterSettings, job: Mapping[str, str] | None = None, defaults: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """A container's ``env``, sorted: ``defaults``, then storage, the cluster's, the job's own; secrets by reference.

    Later ones win. Raises ValueError when the job sets what comes from a secret.
    """
    secrets = cluster.env_from_secrets
    if taken := sorted((job or {}).keys() & secrets.keys()):
        raise ValueError(f"{', '.join(taken)}: set for the job and in cluster.env_from_secrets")
    plain = {**(defaults or {}), **storage_environment(cluster), **cluster.env, **(job or {})}
    entries: dict[str, dict[str, Any]] = {name: {"name": name, "value": value} for name, value in plain.items()}
    for name, secret in secrets.items():
        entries[name] = {"name": name, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": secret.key}}}
    return [entries[name] for name in sorted(entries)]


def placement(cluster: ClusterSettings, *, spot: bool, gpus: int = 0, gpu_type: str | None = None) -> dict[str, Any]:
    """``nodeSelector`` and ``tolerations``, each left out when empty."""
    selector = dict(cluster.node_selector)
    tolerations = [toleration.model_dump(exclude_none=True) for toleration in cluster.tolerations]
    if spot:
        selector[SPOT_LABEL] = "true"
        tolerations.append({"key": SPOT_LABEL, "operator": "Equal", "value": "true", "effect": "NoSchedule"})
    if gpus:
        # GKE taints its GPU nodes so, and only GKE adds the toleration by itself.
        tolerations.append({"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"})
    if gpu_type is not None:
        selector[GPU_TYPE_LABEL] = gpu_type
    return _present(nodeSelector=selector, tolerations=tolerations)


def mebibytes(gibibytes: float) -> int:
    """Whole MiB of a size in GiB, rounded up."""
    return -int(-gibibytes * 1024 // 1)


def _present(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part}
