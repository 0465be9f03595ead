"""What Trainer's and JobSet's webhooks, and the rules in their schemas, fill in and refuse."""

import json
import re
from typing import Any

from ctr_assets_tests.kubernetes.errors import ApiError, cause, invalid_object, webhook_denied
from ctr_assets_tests.kubernetes.resources import (
    CLUSTER_TRAINING_RUNTIMES,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Json,
    Resource,
)
from ctr_assets_tests.kubernetes.storage import Store
from ctr_assets_tests.kubernetes.timestamps import now

COMPONENT = "trainer-trainjob-controller"
"""Whose webhooks these are: while it is away, nothing is created or changed."""
DEFAULTER, VALIDATOR = "defaulter.trainjob.trainer.kubeflow.org", "validator.trainjob.trainer.kubeflow.org"
RUNTIME_VALIDATOR = "validator.trainingruntime.trainer.kubeflow.org"
AWAY = (
    f'failed calling webhook "{DEFAULTER}": failed to call webhook: Post '
    '"https://kubeflow-trainer-controller-manager.kubeflow-system.svc:443/mutate-trainer-kubeflow-org-v1alpha1-trainjob'
    '?timeout=10s": dial tcp 10.96.0.21:443: connect: connection refused'
)
MANAGERS = ("trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue")
RESERVED = ("PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NNODES", "PET_NODE_RANK", "PET_NPROC_PER_NODE")
WITHOUT_ENV = ("dataset-initializer", "model-initializer", "node")
IMMUTABLE = ("initializer", "managedBy", "runtimeRef", "trainer")
QUANTITY = r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)"
MAX_NAME, MAX_POD_NAME = 63, 63
POD_SUFFIX = "-12345"
GO_TYPES: dict[str, tuple[type, str]] = {"numProcPerNode": (int, "int32"), "command": (list, "[]string")}


def set_defaults(train_job: Json) -> None:
    """Raises 400 for what the defaulting webhook cannot decode."""
    _check_types(train_job.get("spec"))
    spec = train_job["spec"]
    spec.setdefault("managedBy", MANAGERS[0])
    spec.setdefault("suspend", False)
    if "runtimeRef" in spec:
        spec["runtimeRef"] = {"apiGroup": TRAIN_JOBS.group, "kind": CLUSTER_TRAINING_RUNTIMES.kind} | spec["runtimeRef"]
    if "runtimePatches" in spec:
        spec["runtimePatches"] = [
            {"manager": patch.get("manager", ""), "time": now()} | patch for patch in spec["runtimePatches"]
        ]


def _check_types(spec: Any) -> None:
    if not isinstance(spec, dict):
        raise _undecodable("array into Go struct field TrainJob.spec of type v1alpha1.TrainJobSpec")
    trainer = spec.get("trainer", {})
    for key, (wanted, of_go) in GO_TYPES.items():
        if isinstance(trainer.get(key), str) and wanted is not str:
            raise _undecodable(f"string into Go struct field Trainer.spec.trainer.{key} of type {of_go}")
    if any(not isinstance(one.get("value", ""), str) for one in trainer.get("env", [])):
        raise _undecodable("number into Go struct field EnvVar.spec.trainer.env.value of type string")
    amounts = [value for part in trainer.get("resourcesPerNode", {}).values() for value in part.values()]
    if not all(re.fullmatch(QUANTITY, str(amount)) for amount in amounts):
        raise _undecoded(f"quantities must match the regular expression '^{QUANTITY}$'")


def _undecodable(what: str) -> ApiError:
    return _undecoded(f"json: cannot unmarshal {what}")


def _undecoded(why: str) -> ApiError:
    return ApiError(400, f'admission webhook "{DEFAULTER}" denied the request: {why}', details={})


def away() -> ApiError:
    return ApiError(500, f"Internal error occurred: {AWAY}", "InternalError", {"causes": [{"message": AWAY}]})


def rule_causes(train_job: Json) -> list[Json]:
    """What the rules in the schema say against a TrainJob."""
    name, spec = train_job["metadata"]["name"], train_job["spec"]
    found = []
    if len(name) > MAX_NAME:
        found.append(_invalid("<nil>", f"metadata.name must be no more than {MAX_NAME} characters"))
    elif not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        found.append(_invalid("<nil>", "metadata.name must match RFC 1035 DNS label format"))
    if spec["managedBy"] not in MANAGERS:
        text = f'"{spec["managedBy"]}": ManagedBy must be {" or ".join(MANAGERS)} if set'
        found.append(_invalid("spec.managedBy", text))
    found += _duplicates("spec.trainer.env", "name", spec.get("trainer", {}).get("env", []))
    return found + _duplicates("spec.runtimePatches", "manager", spec.get("runtimePatches", []))


def _invalid(field: str, text: str) -> Json:
    return cause(field, "FieldValueInvalid", f"Invalid value: {text}")


def _duplicates(field: str, key: str, items: list[Json]) -> list[Json]:
    names = [item[key] for item in items]
    again = [(i, name) for i, name in enumerate(names) if name in names[:i]]
    texts = [(f"{field}[{i}]", json.dumps({key: name}, separators=(",", ":"))) for i, name in again]
    return [cause(path, "FieldValueDuplicate", f"Duplicate value: {text}") for path, text in texts]


def check_change(present: Json, new: Json) -> None:
    """Raises 422 for a field that must not change, 403 for patches of what runs."""
    before, after = present["spec"], new["spec"]
    for field in IMMUTABLE:
        if field in before and before[field] != after.get(field):
            told = f'"{after[field]}": ' if isinstance(after.get(field), str) else ""
            causes = [_invalid(f"spec.{field}", f"{told}field is immutable")]
            raise invalid_object(TRAIN_JOBS, new["metadata"]["name"], causes)
    is_running = not (before.get("suspend") or after.get("suspend"))
    if is_running and before.get("runtimePatches") != after.get("runtimePatches"):
        text = "RuntimePatches can only be modified when the TrainJob is suspended before or after the update"
        raise webhook_denied(VALIDATOR, f"spec.runtimePatches: Forbidden: {text}")


def check_train_job(train_job: Json, store: Store) -> None:
    """Raises 403."""
    spec = train_job["spec"]
    runtime = _runtime(spec["runtimeRef"], train_job["metadata"]["namespace"], store)
    if "initializer" in spec:
        _deny_runtime(spec["runtimeRef"], "must have dataset-initializer job when trainJob is configured with input")
    for patch in spec.get("runtimePatches", []):
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-A-Za-z0-9_./]+", patch["manager"]):
            text = f'"{patch["manager"]}": must be a domain-prefixed path (such as "acme.io/foo")'
            raise webhook_denied(VALIDATOR, f"spec.runtimePatches.manager: Invalid value: {text}")
        _check_patch(patch, spec["runtimePatches"])
    env = [one["name"] for one in spec.get("trainer", {}).get("env", [])]
    if "torch" in runtime["spec"].get("mlPolicy", {}) and (taken := sorted(set(env) & set(RESERVED))):
        listed = json.dumps(spec["trainer"]["env"], separators=(",", ":"))
        text = f"must not have reserved envs, invalid envs configured: [{' '.join(taken)}]"
        raise webhook_denied(VALIDATOR, f"spec.trainer.env: Invalid value: {listed}: {text}")


def _runtime(reference: Json, namespace: str, store: Store) -> Json:
    kinds: dict[str, tuple[Resource, str, str, str]] = {
        CLUSTER_TRAINING_RUNTIMES.kind: (CLUSTER_TRAINING_RUNTIMES, "", "spec.RuntimeRef", "clusterTrainingRuntime"),
        TRAINING_RUNTIMES.kind: (TRAINING_RUNTIMES, namespace, "spec.runtimeRef", "trainingRuntime"),
    }
    if reference["apiGroup"] != TRAIN_JOBS.group or reference["kind"] not in kinds:
        raise webhook_denied(VALIDATOR, f"unsupported runtime: {reference['kind']}.{reference['apiGroup']}")
    resource, where, field, word = kinds[reference["kind"]]
    found = store.find(resource, where, reference["name"])
    if found is None:
        text = (
            f'{resource.kind}.{resource.group} "{reference["name"]}" not found: specified {word} must be created '
            "before the TrainJob is created"
        )
        raise webhook_denied(VALIDATOR, f"{field}: Invalid value: {_reference(reference)}: {text}")
    return found


def _reference(reference: Json) -> str:
    return json.dumps({key: reference[key] for key in ("name", "apiGroup", "kind")}, separators=(",", ":"))


def _deny_runtime(reference: Json, text: str) -> None:
    raise webhook_denied(VALIDATOR, f"spec.runtimeRef: Invalid value: {_reference(reference)}: {text}")


def _check_patch(patch: Json, patches: list[Json]) -> None:
    for job in patch.get("trainingRuntimeSpec", {}).get("template", {}).get("spec", {}).get("replicatedJobs", []):
        for container in (
            job.get("template", {}).get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
        ):
            if container["name"] in WITHOUT_ENV and container.get("env"):
                listed = json.dumps(patches, separators=(",", ":"))
                text = f"must not have envs for the {', '.join(WITHOUT_ENV)} containers"
                raise webhook_denied(VALIDATOR, f"spec.runtimePatches: Invalid value: {listed}: {text}")


def check_runtime(runtime: Json) -> None:
    """Raises 403."""
    for i, job in enumerate(runtime["spec"]["template"]["spec"]["replicatedJobs"]):
        path = f"spec.template.spec.replicatedJobs[{i}]"
        if job.get("replicas", 1) != 1:
            text = f"{path}.replicas: Invalid value: {job['replicas']}: always must be 1"
            raise webhook_denied(RUNTIME_VALIDATOR, text)
        containers = job["template"]["spec"]["template"]["spec"]["containers"]
        if "node" not in [one["name"] for one in containers]:
            listed = json.dumps([one | {"resources": {}} for one in containers], separators=(",", ":"))
            text = f"Invalid value: {listed}: must contain the required container for the ancestor: trainer"
            raise webhook_denied(RUNTIME_VALIDATOR, f"{path}.template.spec.template.spec.containers: {text}")


def check_job_set(job_set: Json) -> None:
    """Raises 422 for a patch of no job, 403 for a name whose pods' names are too long."""
    name = job_set["metadata"]["name"]
    for i, job in enumerate(job_set["spec"]["replicatedJobs"]):
        path = f"spec.replicatedJobs[{i}]"
        pod = job["template"]["spec"]["template"]["spec"]
        if not pod.get("containers"):
            where = f"{path}.template.spec.template.spec.containers"
            raise ApiError(
                422, f'JobSet.jobset.x-k8s.io "{name}" is invalid: {where}: Invalid value: "null"', "Invalid"
            )
        of_job = f"{name}-{job['name']}-0"
        if len(f"{of_job}-{job['template']['spec'].get('completions', 1) - 1}{POD_SUFFIX}") > MAX_POD_NAME:
            text = "JobSet name is too long, pod names generated for this JobSet will exceed 63 characters"
            told = f'JobSet.jobset.x-k8s.io "{name}" is invalid: {path}.name: Invalid value: "{of_job}": {text}'
            raise webhook_denied("vjobset.kb.io", told)
