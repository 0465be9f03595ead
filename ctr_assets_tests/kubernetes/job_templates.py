"""What Trainer and JobSet make of a TrainJob and its runtime: the JobSet, the Job, the pods. Pure functions."""

import copy
import hashlib
import math
from typing import Any

from ctr_assets_tests.kubernetes.resources import Json

MASTER_PORT = 29500
NODE = "node"
INDEX = "batch.kubernetes.io/job-completion-index"
JOBSET = "jobset.sigs.k8s.io"
GPU = "nvidia.com/gpu"
MERGE_KEYS = ("name", "mountPath")
"""By what the lists of a patch are merged; one without these keys is replaced whole."""


def job_set_of(train_job: Json, runtime: Json) -> Json:
    """Labels, annotations and spec of the JobSet: the runtime, under the patches, under ``spec.trainer``."""
    template = copy.deepcopy(runtime["template"])
    for patch in train_job["spec"].get("runtimePatches", []):
        template = merged(template, patch.get("trainingRuntimeSpec", {}).get("template", {}))
    spec = template["spec"]
    spec["suspend"] = bool(train_job["spec"].get("suspend"))
    trainer = train_job["spec"].get("trainer")
    for job in spec["replicatedJobs"]:
        job |= {"replicas": 1, "groupName": "default"}
        if "trainer.kubeflow.org/trainjob-ancestor-step" in job["template"].get("metadata", {}).get("labels", {}):
            _set_trainer(job["template"]["spec"], train_job["metadata"]["name"], trainer, runtime.get("mlPolicy", {}))
    return {"metadata": template.get("metadata", {}), "spec": spec}


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge: the patch's new items come first, those that both have are merged in place."""
    if isinstance(base, dict) and isinstance(patch, dict):
        both = {key: merged(base[key], patch[key]) for key in base.keys() & patch.keys()}
        return base | patch | both
    if isinstance(base, list) and isinstance(patch, list) and (key := _merge_key([*base, *patch])):
        patches = {item[key]: item for item in patch}
        new = [item for item in patch if item[key] not in {one[key] for one in base}]
        return [*new, *(merged(item, patches.get(item[key], {})) for item in base)]
    return copy.deepcopy(patch)


def _merge_key(items: list[Any]) -> str | None:
    return next((key for key in MERGE_KEYS if items and all(isinstance(i, dict) and key in i for i in items)), None)


def _set_trainer(job: Json, name: str, trainer: Json | None, policy: Json) -> None:
    nodes = int({**policy, **(trainer or {})}.get("numNodes", 1))
    job |= {"completionMode": "Indexed", "completions": nodes, "parallelism": nodes}
    container = next(one for one in job["template"]["spec"]["containers"] if one["name"] == NODE)
    if trainer is None:
        return
    container |= {key: trainer[key] for key in ("image", "command", "args") if key in trainer}
    container["resources"] = merged(container.get("resources", {}), trainer.get("resourcesPerNode", {}))
    _set_env(container, trainer.get("env", []))
    if "torch" in policy:
        container["ports"] = [{"containerPort": MASTER_PORT, "protocol": "TCP"}]
        _set_env(container, _rank_env(name, nodes, trainer, container["resources"]))


def _set_env(container: Json, env: list[Json]) -> None:
    entries = {one["name"]: one for one in [*container.get("env", []), *env]}
    if entries:
        container["env"] = list(entries.values())


def _rank_env(name: str, nodes: int, trainer: Json, resources: Json) -> list[Json]:
    """torchrun's variables; where the processes of a node are not spelt out, they are as many as its CPUs."""
    index = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
    return [
        {"name": "PET_NNODES", "value": str(nodes)},
        {"name": "PET_NPROC_PER_NODE", "value": str(trainer.get("numProcPerNode", _processes(resources)))},
        {"name": "PET_NODE_RANK", "valueFrom": index},
        {"name": "PET_MASTER_ADDR", "value": f"{name}-{NODE}-0-0.{name}"},
        {"name": "PET_MASTER_PORT", "value": str(MASTER_PORT)},
    ]


def _processes(resources: Json) -> str:
    asked = resources.get("limits", {}) | resources.get("requests", {})
    if GPU in asked:
        return "auto"
    cpu = str(asked.get("cpu", 1))
    return str(max(1, math.ceil(float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1))))


def job_of(job_set: Json, replicated: Json) -> Json:
    """The one Job of a replicated job, which holds all its ranks."""
    name = f"{job_set['metadata']['name']}-{replicated['name']}-0"
    own = _job_set_labels(job_set, replicated)
    template = copy.deepcopy(replicated["template"])
    spec = template["spec"]
    pod = spec["template"]
    for metadata in (template.setdefault("metadata", {}), pod.setdefault("metadata", {})):
        metadata["labels"] = metadata.get("labels", {}) | own
        metadata["annotations"] = metadata.get("annotations", {}) | own
    pod["spec"].setdefault("restartPolicy", "OnFailure")
    pod["spec"]["subdomain"] = job_set["metadata"]["name"]
    return {"metadata": template["metadata"] | {"name": name}, "spec": spec | {"suspend": job_set["spec"]["suspend"]}}


def _job_set_labels(job_set: Json, replicated: Json) -> dict[str, str]:
    metadata = job_set["metadata"]
    key = f"{metadata['namespace']}/{metadata['name']}-{replicated['name']}-0"
    return {
        f"{JOBSET}/global-replicas": "1",
        f"{JOBSET}/group-name": replicated["groupName"],
        f"{JOBSET}/group-replicas": "1",
        f"{JOBSET}/job-global-index": "0",
        f"{JOBSET}/job-group-index": "0",
        f"{JOBSET}/job-index": "0",
        f"{JOBSET}/job-key": hashlib.sha1(key.encode()).hexdigest(),
        f"{JOBSET}/jobset-name": metadata["name"],
        f"{JOBSET}/jobset-uid": metadata["uid"],
        f"{JOBSET}/replicatedjob-name": replicated["name"],
        f"{JOBSET}/replicatedjob-replicas": "1",
        f"{JOBSET}/restart-attempt": "0",
    }


def job_faults(job: Json) -> str:
    """What the API server says against a Job, where a TrainJob can lead to such a one; '' when nothing."""
    spec = job["spec"]
    counts = [f"spec.{key}" for key in ("parallelism", "completions") if spec.get(key, 1) < 0]
    faults = [f"{path}: Invalid value: -1: must be greater than or equal to 0" for path in counts]
    pod = spec["template"]["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for i, container in enumerate(pod["containers"]):
        path = f"spec.template.spec.containers[{i}]"
        if "image" not in container:
            faults.append(f"{path}.image: Required value")
        for j, mount in enumerate(container.get("volumeMounts", [])):
            if mount["name"] not in volumes:
                faults.append(f'{path}.volumeMounts[{j}].name: Not found: "{mount["name"]}"')
        faults += _resource_faults(path, container.get("resources", {}))
    listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    return f'Job.batch "{job["metadata"]["name"]}" is invalid: {listed}' if faults else ""


def _resource_faults(path: str, resources: Json) -> list[str]:
    asked, most = resources.get("requests", {}).get("memory"), resources.get("limits", {}).get("memory")
    if asked is None or most is None or _mebibytes(asked) <= _mebibytes(most):
        return []
    return [
        f'{path}.resources.requests: Invalid value: "{asked}": must be less than or equal to memory limit of {most}'
    ]


def _mebibytes(quantity: str) -> float:
    unit = {"Mi": 1, "Gi": 1024}[quantity[-2:]]
    return float(quantity[:-2]) * unit


def pod_of(job: Json, index: int) -> Json:
    """Labels, annotations and spec of the pod of one rank."""
    template = job["spec"]["template"]
    metadata, spec = copy.deepcopy(template["metadata"]), copy.deepcopy(template["spec"])
    own = {INDEX: str(index)}
    metadata["labels"] |= own | {f"{JOBSET}/priority": "0"}
    metadata["annotations"] |= own
    spec["hostname"] = f"{job['metadata']['name']}-{index}"
    of_index = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        container["env"] = [*container.get("env", []), {"name": "JOB_COMPLETION_INDEX", "valueFrom": of_index}]
        for entry in container["env"]:
            if "fieldRef" in entry.get("valueFrom", {}):
                entry["valueFrom"]["fieldRef"].setdefault("apiVersion", "v1")
    return {"metadata": metadata, "spec": spec}
