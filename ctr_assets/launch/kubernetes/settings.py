"""What a deployment chooses about its jobs on a cluster: images, sizes, placement, secrets. Values, no behaviour.

A settings file has the parts ``cluster``, ``spark`` and ``pytorch``; a run or the render CLI overrides single fields.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ctr_assets import __version__
from ctr_assets.problems import SettingsError, problems

DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
DNS_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
ENV_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?$"
"""A Kubernetes quantity: 500m, 2, 1.5, 8Gi."""

EnvName = Annotated[str, StringConstraints(pattern=ENV_NAME)]
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]
LabelName = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
]
SecretName = Annotated[str, StringConstraints(pattern=DNS_SUBDOMAIN)]
VolumeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,57}[a-z0-9])?$")]
"""A secret that is mounted: spark-operator names the volume ``<secret>-vol``."""
S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Immutable values; an unknown field is an error, not a setting that silently does nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SecretKey(Settings):
    """One key of a Kubernetes secret. The value itself is never in a manifest."""

    name: SecretName = Field(description="Name of the secret, in the jobs' namespace")
    key: str = Field(min_length=1, description="Key in the secret")


class Toleration(Settings):
    """A taint that the pods may ignore, as in a pod's spec."""

    key: str | None = Field(default=None, description="Taint key; none with operator Exists: every taint")
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="How value is compared")
    value: str | None = Field(default=None, description="Taint value; none with operator Exists")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect; none: all"
    )

    @model_validator(mode="after")
    def _is_one_that_kubernetes_takes(self) -> "Toleration":
        if self.operator == "Exists" and self.value:
            raise ValueError(f"operator Exists has no value, not {self.value!r}: leave it out")
        if self.operator == "Equal" and not self.key:
            raise ValueError("operator Equal needs a key: give one, or operator Exists")
        return self


class ClusterSettings(Settings):
    """What both engines share: where the jobs go and what their containers are told."""

    namespace: str = Field(default="ctr-assets", pattern=DNS_LABEL, description="Namespace of the jobs")
    labels: dict[LabelName, LabelValue] = Field(
        default={}, description="Further labels of resources and pods, as for a cost report"
    )
    node_selector: dict[LabelName, LabelValue] = Field(
        default={}, description="Node labels that every pod of a job needs"
    )
    tolerations: tuple[Toleration, ...] = Field(default=(), description="Taints that every pod of a job may ignore")
    env: dict[EnvName, str] = Field(default={}, description="Environment of every container. No secrets: use the next")
    env_from_secrets: dict[EnvName, SecretKey] = Field(default={}, description="Environment taken from secrets")
    secret_mounts: dict[VolumeName, Annotated[str, StringConstraints(pattern="^/")]] = Field(
        default={}, description="Secret → absolute folder it is mounted at"
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When a node pulls an image; Never for images loaded into kind"
    )
    image_pull_secrets: tuple[SecretName, ...] = Field(default=(), description="Secrets of a private registry")
    job_url: str | None = Field(
        default=None,
        pattern="^https?://",
        description="Page of a job in a console, linked from its materializations; {namespace}, {kind}, {plural} and "
        "{name} are filled in",
    )
    pending_limit_seconds: int = Field(
        default=900,
        ge=1,
        le=86_400,
        description="Longest wait for a job's first pod, or for a state that this code knows, seconds; then the launch "
        "fails with the pod's events and the job is deleted. "
        "GKE takes up to ~10 minutes for a new GPU node",
    )
    lost_attempts: int = Field(
        default=3,
        ge=0,
        le=100,
        description="How often a job whose pods the cluster takes away (spot node, eviction, lost node) is launched "
        "again within its run; training goes on from its last checkpoint",
    )
    quota_limit_seconds: int = Field(
        default=21_600,
        ge=1,
        le=604_800,
        description="Longest wait for room in the namespace's quota, seconds; then the launch fails",
    )
    google_cloud_project: str | None = Field(default=None, description="Project of the storage client")
    storage_emulator_url: str | None = Field(
        default=None, pattern="^http://", description="Base URL of fake-gcs-server (kind); none: real GCS"
    )

    @model_validator(mode="after")
    def _no_name_twice(self) -> "ClusterSettings":
        if twice := sorted(self.env.keys() & self.env_from_secrets.keys()):
            raise ValueError(f"{', '.join(twice)}: in env and in env_from_secrets; keep one of the two")
        return self

    @field_validator("secret_mounts")
    @classmethod
    def _one_secret_a_folder(cls, mounts: dict[str, str]) -> dict[str, str]:
        if len(set(mounts.values())) < len(mounts):
            raise ValueError("two secrets are mounted at one folder: give each its own")
        return mounts

    @field_validator("job_url")
    @classmethod
    def _fills_in_what_there_is(cls, job_url: str | None) -> str | None:
        try:
            (job_url or "").format(namespace="", kind="", plural="", name="")
        except (LookupError, ValueError) as e:
            raise ValueError("only {namespace}, {kind}, {plural} and {name} can be filled in") from e
        return job_url


Queue = Annotated[
    LabelValue | None,
    Field(
        min_length=1,
        description="Kueue's LocalQueue of the jobs: they are created suspended, and it starts them when there is room",
    ),
]


class SparkSettings(Settings):
    """Size and behaviour of one SparkApplication."""

    image: str = Field(default=f"ctr-assets-spark:{__version__}", min_length=1, description="Image, with its tag")
    spark_version: str = Field(default="4.3.0", description="Spark in the image; the operator only records it")
    service_account: str = Field(
        default="ctr-spark", pattern=DNS_LABEL, description="Service account of the driver, which creates executors"
    )
    queue: Queue = None
    driver_cores: int = Field(default=1, ge=1, le=64, description="CPU cores of the driver")
    driver_core_request: str | None = Field(
        default=None, pattern=QUANTITY, description="CPU that the driver's pod requests; none: its cores"
    )
    driver_memory_gib: float = Field(default=2, ge=0.5, le=512, description="JVM heap of the driver, GiB")
    driver_memory_overhead_gib: float = Field(
        default=1, ge=0.375, le=512, description="Memory of the driver's pod beside the heap, GiB"
    )
    executors: int = Field(default=2, ge=1, le=1000, description="Executors; with dynamic_allocation: at the start")
    executor_cores: int = Field(default=4, ge=1, le=64, description="CPU cores of an executor: tasks at a time")
    executor_core_request: str | None = Field(
        default=None, pattern=QUANTITY, description="CPU that an executor's pod requests; none: its cores"
    )
    executor_memory_gib: float = Field(default=4, ge=0.5, le=512, description="JVM heap of an executor, GiB")
    executor_memory_overhead_gib: float = Field(
        default=6,
        ge=0.375,
        le=512,
        description="Memory of an executor's pod beside the heap, GiB: the Python workers and their Arrow data",
    )
    local_disk_gib: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Limit of a pod's shuffle and spill files, GiB; none: the node's disk",
    )
    dynamic_allocation: bool = Field(default=False, description="Let Spark ask for executors as tasks queue up")
    min_executors: int = Field(default=1, ge=0, le=1000, description="Fewest executors under dynamic_allocation")
    max_executors: int = Field(default=10, ge=1, le=1000, description="Most executors under dynamic_allocation")
    spot_executors: bool = Field(
        default=False, description="Executors on spot nodes: a lost one's tasks run again. The driver never is"
    )
    event_log_url: str | None = Field(
        default=None, pattern="^(gs|file)://", description="Folder of Spark's event logs for a history server"
    )
    time_to_live_seconds: int = Field(
        default=3600, ge=60, le=2_592_000, description="How long a finished job and its driver's log stay, seconds"
    )
    spark_conf: dict[str, str] = Field(default={}, description="Further Spark properties; they win over ours")

    @field_validator("spark_conf", mode="before")
    @classmethod
    def _conf_as_text(cls, value: Any) -> Any:
        return {k: _as_text(v) for k, v in value.items()} if isinstance(value, Mapping) else value

    @field_validator("spark_conf")
    @classmethod
    def _conf_is_accepted(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not name.startswith("spark."):
                raise ValueError(f"{name!r} is no Spark property: they start with 'spark.'")
            if name == "spark.kubernetes.namespace":
                raise ValueError(f"the operator's webhook refuses {name!r}: set cluster.namespace")
        return value

    @model_validator(mode="after")
    def _a_queue_knows_the_size(self) -> "SparkSettings":
        if self.queue is not None and self.dynamic_allocation:
            raise ValueError(
                "queue and dynamic_allocation: Kueue admits a job by its size, turn dynamic_allocation off"
            )
        return self

    @model_validator(mode="after")
    def _executors_fit(self) -> "SparkSettings":
        if self.dynamic_allocation and not self.min_executors <= self.executors <= self.max_executors:
            raise ValueError(
                f"executors is {self.executors}, with dynamic_allocation it must be between min_executors "
                f"({self.min_executors}) and max_executors ({self.max_executors})"
            )
        return self


class PyTorchSettings(Settings):
    """Size and behaviour of one PyTorchJob: a master and ``workers`` more pods, all alike."""

    image: str = Field(default=f"ctr-assets-pytorch:{__version__}", min_length=1, description="Image, with its tag")
    service_account: str = Field(default="ctr-pytorch", pattern=DNS_LABEL, description="Service account of the pods")
    queue: Queue = None
    workers: int = Field(default=0, ge=0, le=99, description="Pods besides the master; training alone uses them")
    processes_per_worker: int = Field(
        default=1, ge=1, le=16, description="Ranks in each pod; with gpus: as many, one GPU a rank"
    )
    cpu: float = Field(default=4, gt=0, le=256, description="CPU cores that each pod requests")
    memory_gib: float = Field(default=16, ge=0.5, le=4096, description="Memory of each pod, GiB, request and limit")
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs of each pod")
    gpu_type: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]+$", description="GKE's name of the GPU, as nvidia-l4; none: any"
    )
    shared_memory_gib: float = Field(
        default=2, gt=0, le=1024, description="/dev/shm of each pod, GiB, part of its memory: gloo and NCCL use it"
    )
    spot: bool = Field(
        default=False, description="Pods on spot nodes: the next attempt goes on from the last checkpoint"
    )
    active_deadline_seconds: int = Field(
        default=86_400, ge=60, le=2_592_000, description="Longest time a job may run, seconds"
    )
    time_to_live_seconds: int = Field(
        default=3600, ge=60, le=2_592_000, description="How long a finished job and its logs stay, seconds"
    )

    @model_validator(mode="after")
    def _gpus_fit(self) -> "PyTorchSettings":
        if self.gpus and self.gpus != self.processes_per_worker:
            raise ValueError(
                f"gpus is {self.gpus} and processes_per_worker {self.processes_per_worker}: "
                "each rank drives one GPU, make them equal"
            )
        if self.gpu_type and not self.gpus:
            raise ValueError(f"gpu_type is {self.gpu_type} but gpus is 0")
        if self.shared_memory_gib >= self.memory_gib:
            raise ValueError(
                f"shared_memory_gib ({self.shared_memory_gib:g}) is part of memory_gib "
                f"({self.memory_gib:g}): make it less"
            )
        return self


class KubernetesSettings(Settings):
    """All of a deployment's settings: the content of a settings file."""

    cluster: ClusterSettings = ClusterSettings()
    spark: SparkSettings = SparkSettings()
    pytorch: PyTorchSettings = PyTorchSettings()


def read_settings(path: str | Path) -> KubernetesSettings:
    """Settings of a YAML file; what it leaves out keeps its default. Raises :class:`SettingsError`."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise SettingsError(f"{path} cannot be read as YAML: {e}") from e
    try:
        return override(KubernetesSettings(), content or {})
    except SettingsError as e:
        raise SettingsError(f"{path}: {e}") from e


def override(settings: S, changes: Mapping[str, Any]) -> S:
    """``settings`` with some fields replaced; a part (cluster, spark, pytorch) is changed field by field.

    A field that is a mapping or a list is replaced whole. Raises :class:`SettingsError`, which lists every problem.
    """
    if not isinstance(changes, Mapping):
        raise SettingsError(f"expected fields and their values, got {changes!r}")
    known = type(settings).model_fields
    if unknown := sorted(str(name) for name in changes if name not in known):
        raise SettingsError(
            f"{type(settings).__name__} has no field {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    values: dict[str, Any] = {name: getattr(settings, name) for name in known}
    for name, value in changes.items():
        part = values[name]
        values[name] = override(part, value) if isinstance(part, Settings) else value
    try:
        return type(settings).model_validate(values)
    except ValidationError as e:
        raise SettingsError(problems(type(settings).__name__, e)) from e


def _as_text(value: Any) -> Any:
    """YAML's numbers and booleans as Spark writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value
