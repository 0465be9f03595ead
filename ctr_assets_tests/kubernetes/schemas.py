"""What the operators' published schemas (spark-operator 2.5.2, training-operator 1.9.4) and batch/v1 say of a manifest.

Only the levels that a launcher writes by hand are spelled out; below them (`ANY`) everything is accepted.
"""

from dataclasses import dataclass, field
from typing import Any

from ctr_assets_tests.kubernetes.errors import cause
from ctr_assets_tests.kubernetes.resources import (
    JOB_SETS,
    JOBS,
    PYTORCH_JOBS,
    SPARK_APPLICATIONS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Json,
    Resource,
)

JSON_TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


@dataclass(frozen=True)
class Schema:
    """`type` as JSON schema names it. An object with neither `properties` nor `values` takes any field."""

    type: str
    properties: "dict[str, Schema]" = field(default_factory=dict)
    values: "Schema | None" = None
    items: "Schema | None" = None
    required: tuple[str, ...] = ()
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    min_length: int = 0


TEXT, NUMBER, YES_NO, ANY, LIST = (Schema(name) for name in ("string", "integer", "boolean", "object", "array"))
AT_LEAST_ONE = Schema("integer", minimum=1)
NOT_NEGATIVE = Schema("integer", minimum=0)


def _fields(
    text: str = "", numbers: str = "", yes_no: str = "", objects: str = "", lists: str = ""
) -> dict[str, Schema]:
    fields: dict[str, Schema] = {}
    for names, schema in ((text, TEXT), (numbers, NUMBER), (yes_no, YES_NO), (objects, ANY), (lists, LIST)):
        fields |= dict.fromkeys(names.split(), schema)
    return fields


_SPARK_POD = _fields(
    "coreLimit coreRequest image javaOptions memory memoryLimit memoryOverhead priorityClassName schedulerName "
    "serviceAccount",
    "terminationGracePeriodSeconds",
    "hostNetwork shareProcessNamespace",
    "affinity annotations dnsConfig envSecretKeyRefs envVars gpu labels lifecycle nodeSelector podSecurityContext "
    "securityContext template",
    "configMaps env envFrom hostAliases initContainers ports secrets sidecars tolerations volumeMounts",
) | {"cores": AT_LEAST_ONE}
_SPARK_DRIVER = _SPARK_POD | _fields("kubernetesMaster podName", objects="serviceAnnotations serviceLabels")
_SPARK_EXECUTOR = _SPARK_POD | {"deleteOnTermination": YES_NO, "instances": AT_LEAST_ONE}
_SPARK_RESTART = {
    "type": Schema("string", enum=("Never", "Always", "OnFailure")),
    "onFailureRetries": NOT_NEGATIVE,
    "onFailureRetryInterval": AT_LEAST_ONE,
    "onSubmissionFailureRetries": NOT_NEGATIVE,
    "onSubmissionFailureRetryInterval": AT_LEAST_ONE,
}
_SPARK_SPEC = _fields(
    "batchScheduler hadoopConfigMap image imagePullPolicy mainApplicationFile mainClass memoryOverheadFactor "
    "proxyUser sparkConfigMap sparkVersion",
    "failureRetries retryInterval timeToLiveSeconds",
    "suspend",
    "batchSchedulerOptions hadoopConf monitoring nodeSelector sparkConf sparkUIOptions",
    "arguments driverIngressOptions imagePullSecrets volumes",
) | {
    "deps": Schema("object", _fields(lists="archives excludePackages files jars packages pyFiles repositories")),
    "dynamicAllocation": Schema(
        "object",
        _fields(
            numbers="initialExecutors maxExecutors minExecutors shuffleTrackingTimeout",
            yes_no="enabled shuffleTrackingEnabled",
        ),
    ),
    "mode": Schema("string", enum=("cluster", "client")),
    "pythonVersion": Schema("string", enum=("2", "3")),
    "type": Schema("string", enum=("Java", "Python", "Scala", "R")),
    "driver": Schema("object", _SPARK_DRIVER),
    "executor": Schema("object", _SPARK_EXECUTOR),
    "restartPolicy": Schema("object", _SPARK_RESTART),
}
_SPARK_STATUS = _fields(
    "lastSubmissionAttemptTime sparkApplicationId submissionID terminationTime",
    "executionAttempts submissionAttempts",
    objects="executorState",
) | {
    "applicationState": Schema("object", _fields("errorMessage state"), required=("state",)),
    "driverInfo": Schema(
        "object",
        _fields("podName webUIAddress webUIIngressAddress webUIIngressName webUIServiceName", "webUIPort"),
    ),
}
_RUN_POLICY = _fields(
    "cleanPodPolicy managedBy",
    "activeDeadlineSeconds backoffLimit ttlSecondsAfterFinished",
    "suspend",
    "schedulingPolicy",
)
_REPLICA = Schema("object", _fields("restartPolicy", "replicas", objects="template"))
_CONDITION = Schema(
    "object", _fields("lastTransitionTime lastUpdateTime message reason status type"), required=("status", "type")
)
_JOB_SPEC = _fields(
    "completionMode managedBy podReplacementPolicy",
    "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completions maxFailedIndexes parallelism "
    "ttlSecondsAfterFinished",
    "manualSelector suspend",
    "podFailurePolicy selector successPolicy template",
)

_TRAIN_JOB_SPEC = _fields("managedBy", yes_no="suspend", objects="initializer") | {
    "activeDeadlineSeconds": AT_LEAST_ONE,
    "runtimeRef": Schema(
        "object",
        {"apiGroup": TEXT, "kind": TEXT, "name": Schema("string", min_length=1)},
        required=("name",),
    ),
    "runtimePatches": Schema(
        "array",
        items=Schema(
            "object",
            {"manager": Schema("string", min_length=1), "time": TEXT, "trainingRuntimeSpec": ANY},
            required=("manager",),
        ),
    ),
    "trainer": Schema(
        "object", _fields("image", "numNodes numProcPerNode", objects="resourcesPerNode", lists="args command env")
    ),
}
_JOB_COUNTS = ("active", "failed", "name", "ready", "succeeded", "suspended")
_TRAIN_JOB_STATUS = {
    "conditions": Schema("array", items=_CONDITION),
    "jobsStatus": Schema(
        "array",
        items=Schema("object", _fields("name", "active failed ready succeeded suspended"), required=_JOB_COUNTS),
    ),
}

SCHEMAS: dict[Resource, Schema] = {
    SPARK_APPLICATIONS: Schema(
        "object",
        {
            "spec": Schema(
                "object",
                _SPARK_SPEC,
                required=("driver", "executor", "mainApplicationFile", "sparkVersion", "type"),
            ),
            "status": Schema("object", _SPARK_STATUS, required=("driverInfo",)),
        },
        required=("spec",),
    ),
    PYTORCH_JOBS: Schema(
        "object",
        {
            "spec": Schema(
                "object",
                {
                    "elasticPolicy": ANY,
                    "nprocPerNode": TEXT,
                    "pytorchReplicaSpecs": Schema("object", values=_REPLICA),
                    "runPolicy": Schema("object", _RUN_POLICY),
                },
                required=("pytorchReplicaSpecs",),
            ),
            "status": Schema(
                "object",
                _fields("completionTime lastReconcileTime startTime", objects="replicaStatuses")
                | {"conditions": Schema("array", items=_CONDITION)},
            ),
        },
    ),
    TRAIN_JOBS: Schema(
        "object",
        {
            "spec": Schema("object", _TRAIN_JOB_SPEC, required=("runtimeRef",)),
            "status": Schema("object", _TRAIN_JOB_STATUS),
        },
    ),
    TRAINING_RUNTIMES: Schema("object", {"spec": ANY}),
    JOB_SETS: Schema("object", {"spec": ANY, "status": ANY}),
    JOBS: Schema("object", {"spec": Schema("object", _JOB_SPEC), "status": ANY}),
}


def prune(value: Any, schema: Schema, path: str = "") -> list[str]:
    """Take out what the schema does not name, in place; returns the paths of what went."""
    gone: list[str] = []
    if isinstance(value, dict):
        for key in sorted(value):
            here = f"{path}.{key}" if path else key
            below = schema.properties.get(key) or schema.values
            if below is not None:
                gone += prune(value[key], below, here)
            elif schema.properties:
                del value[key]
                gone.append(here)
    if isinstance(value, list) and schema.items is not None:
        for i, below in enumerate(value):
            gone += prune(below, schema.items, f"{path}[{i}]")
    return gone


def violations(value: Any, schema: Schema, path: str, is_status: bool = False) -> list[Json]:
    """The causes of a 422. Types, enumerations, bounds and required fields; `null` counts as absent."""
    if value is None:
        return []
    # A status violation is named by its field alone in the text, by its whole path in `field`; recorded so.
    told = path.removeprefix("status.") if is_status else path
    wanted = JSON_TYPES[schema.type]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        found = next(name for name, kind in JSON_TYPES.items() if type(value) is kind)
        text = f'Invalid value: "{found}": {told} in body must be of type {schema.type}: "{found}"'
        return [cause(path, "FieldValueTypeInvalid", text)]
    if schema.enum and value not in schema.enum:
        supported = ", ".join(f'"{one}"' for one in schema.enum)
        return [cause(path, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {supported}')]
    if isinstance(value, int) and schema.minimum is not None and value < schema.minimum:
        text = f"Invalid value: {value}: {told} in body should be greater than or equal to {schema.minimum}"
        return [cause(path, "FieldValueInvalid", text)]
    if isinstance(value, str) and len(value) < schema.min_length:
        text = f'Invalid value: "{value}": {told} in body should be at least {schema.min_length} chars long'
        return [cause(path, "FieldValueInvalid", text)]
    found_causes: list[Json] = []
    if isinstance(value, dict):
        for key, below in value.items():
            child = schema.properties.get(key) or schema.values
            if child is not None:
                found_causes += violations(below, child, f"{path}.{key}" if path else key, is_status)
        for key in schema.required:
            if key not in value:
                name = f"{path}.{key}" if path else key
                found_causes.append(cause(name, "FieldValueRequired", "Required value"))
    if isinstance(value, list) and schema.items is not None:
        for i, below in enumerate(value):
            found_causes += violations(below, schema.items, f"{path}[{i}]", is_status)
    return found_causes
