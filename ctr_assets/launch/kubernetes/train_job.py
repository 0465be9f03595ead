"""A job as a TrainJob of Kubeflow Trainer v2 (trainer.kubeflow.org/v1alpha1): a pure function.

What a TrainJob cannot say, its runtime does (``deploy/kustomize/trainer-runtime``): no pod restarts, one failed pod
fails the job, nothing lives by a clock. :func:`problems_of_runtime` says what a runtime has otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ctr_assets.launch.job import JobDescription
from ctr_assets.launch.kubernetes.kinds import QUEUE_LABEL, TRAIN_JOB
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings
from ctr_assets.launch.kubernetes.torch_pod import size_of, torch_pod
from ctr_assets.problems import SettingsError

RUNTIME: Final = "ctr-pytorch"
"""The TrainingRuntime of ours in the jobs' namespace."""
MANAGER: Final = "ctr-assets/launcher"
"""Who the patches are by. Kueue adds some of its own."""
NODE: Final = "node"
"""Name of the replicated job, and of the one container in which Trainer sets torchrun's PET_* variables."""
_OF_TRAINER: Final = ("image", "command", "args", "env")
_OF_RUNTIME: Final = ("imagePullPolicy", "resources")


def train_job(
    job: JobDescription,
    name: str,
    labels: Mapping[str, str],
    env: Mapping[str, str],
    cluster: ClusterSettings,
    torch: PyTorchSettings,
) -> dict[str, Any]:
    """The manifest. Its labels reach neither JobSet nor pods by themselves: a patch puts them there.

    Raises ValueError for a job that is not PyTorch's, and SettingsError for what a TrainJob cannot express.
    """
    torch = size_of(job, torch)
    if torch.time_to_live_seconds != PyTorchSettings().time_to_live_seconds:
        raise SettingsError(
            "pytorch.time_to_live_seconds: a TrainJob has none, the sweeper deletes it when its run is over: "
            "leave it out"
        )
    all_labels = {**cluster.labels, **labels}
    pod = torch_pod(NODE, job, env, cluster, torch)
    (container,) = pod["containers"]
    queue = {} if torch.queue is None else {QUEUE_LABEL: torch.queue}
    return {
        "apiVersion": f"{TRAIN_JOB.group}/{TRAIN_JOB.version}",
        "kind": TRAIN_JOB.kind,
        "metadata": {"name": name, "namespace": cluster.namespace, "labels": {**all_labels, **queue}},
        "spec": {
            "runtimeRef": {"name": RUNTIME, "kind": "TrainingRuntime"},
            "trainer": {
                # 0 nodes would be a success without a pod; processes left out are as many as the node's CPUs.
                "numNodes": 1 + torch.workers,
                "numProcPerNode": torch.processes_per_worker,
                **{key: container[key] for key in _OF_TRAINER},
                "resourcesPerNode": container["resources"],
            },
            "activeDeadlineSeconds": torch.active_deadline_seconds,
            "runtimePatches": [{"manager": MANAGER, "trainingRuntimeSpec": _patch(all_labels, pod)}],
            **({"suspend": True} if queue else {}),
        },
    }


def _patch(labels: Mapping[str, str], pod: Mapping[str, Any]) -> dict[str, Any]:
    """Labels of the JobSet and of its pods, and of the pod what ``trainer`` has no field for."""
    (container,) = pod["containers"]
    rest = {key: value for key, value in container.items() if key not in (*_OF_TRAINER, *_OF_RUNTIME)}
    spec = {key: value for key, value in pod.items() if key != "shareProcessNamespace"} | {"containers": [rest]}
    template = {"metadata": {"labels": dict(labels)}, "spec": spec}
    return {
        "template": {
            "metadata": {"labels": dict(labels)},
            "spec": {"replicatedJobs": [{"name": NODE, "template": {"spec": {"template": template}}}]},
        }
    }


def problems_of_runtime(runtime: Mapping[str, Any], cluster: ClusterSettings) -> list[str]:
    """What would make a job run otherwise than as a PyTorchJob does; empty for ours."""
    return list(_problems(runtime["spec"], cluster))


def _problems(spec: Mapping[str, Any], cluster: ClusterSettings) -> Iterator[str]:
    job_set = spec["template"]["spec"]
    (node,) = (job for job in job_set["replicatedJobs"] if job["name"] == NODE)
    job = node["template"]["spec"]
    pod = job["template"]["spec"]
    (container,) = (each for each in pod["containers"] if each["name"] == NODE)
    wanted: list[tuple[str, Any, Any]] = [
        ("mlPolicy.torch", spec.get("mlPolicy", {}).get("torch"), {}),
        ("ttlSecondsAfterFinished", job_set.get("ttlSecondsAfterFinished"), None),
        ("failurePolicy", job_set.get("failurePolicy"), None),
        ("backoffLimit", job.get("backoffLimit"), 0),
        ("podFailurePolicy", job.get("podFailurePolicy"), None),
        ("restartPolicy", pod.get("restartPolicy"), "Never"),
        ("shareProcessNamespace", pod.get("shareProcessNamespace"), True),
        ("imagePullPolicy", container.get("imagePullPolicy"), cluster.image_pull_policy),
    ]
    for field, found, expected in wanted:
        if found != expected:
            yield f"{field} is {found}, expected {expected}"
