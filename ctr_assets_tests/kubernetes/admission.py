"""What the server checks and fills in before it stores an object: body, names, labels, schemas, defaults."""

import re
import uuid
from typing import Any

from ctr_assets_tests.kubernetes import trainer_webhooks
from ctr_assets_tests.kubernetes.errors import ApiError, bad_request, cause, invalid_object
from ctr_assets_tests.kubernetes.resources import JOBS, PODS, PYTORCH_JOBS, TRAIN_JOBS, Json, Resource
from ctr_assets_tests.kubernetes.schemas import SCHEMAS, prune, violations

MAX_ANNOTATION_BYTES = 262144
MAX_NAME, MAX_LABEL = 253, 63
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
NOT_A_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
NOT_A_LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{LABEL_VALUE}')"
)
RULES_NOT_CHECKED = cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)
GO_TYPES = {str: "string", int: "number", float: "number", bool: "bool", dict: "object", list: "array"}
DOTS_IN_A_JOB_NAME = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is "
    "recommended: [must not contain dots]"
)


def decode(resource: Resource, obj: Json, field_validation: str) -> list[str]:
    """Check what decoding checks and prune unknown fields in place; returns warnings. Raises 400."""
    in_version = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
    for value in (obj["metadata"].get("labels") or {}).values():
        if not isinstance(value, str):
            found = f"json: cannot unmarshal {GO_TYPES[type(value)]}"
            raise bad_request(f"{in_version}{found} into Go struct field ObjectMeta.labels of type string")
    schema = SCHEMAS.get(resource)
    if schema is None:
        return []
    if not resource.is_custom and (wrong := violations(obj.get("spec"), schema.properties["spec"], "spec")):
        path = wrong[0]["field"]
        found = f"json: cannot unmarshal {GO_TYPES[type(obj['spec'][path.rpartition('.')[2]])]}"
        raise bad_request(f"{in_version}{found} into Go struct field JobSpec.{path} of type int32")
    content = {key: obj[key] for key in obj if key not in ("apiVersion", "kind", "metadata")}
    unknown = [f'unknown field "{path}"' for path in prune(content, schema)]
    for key in set(obj) - set(content) - {"apiVersion", "kind", "metadata"}:
        del obj[key]
    if unknown and field_validation == "Strict":
        raise bad_request(f"{in_version}strict decoding error: {', '.join(unknown)}")
    return [] if field_validation == "Ignore" else unknown


def validate(resource: Resource, obj: Json) -> None:
    """Names, labels and schema of an object to be stored. Raises 422 with all causes."""
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    if resource == JOBS:  # the name as a label's value is the template's fault
        labels = {key: value for key, value in labels.items() if value != metadata["name"]}
    causes = _name_causes(metadata["name"]) + _label_causes(labels)
    annotations = metadata.get("annotations") or {}
    if sum(len(key) + len(value) for key, value in annotations.items()) > MAX_ANNOTATION_BYTES:
        text = f"Too long: may not be more than {MAX_ANNOTATION_BYTES} bytes"
        causes.append(cause("metadata.annotations", "FieldValueTooLong", text))
    if resource.is_custom:
        without_status = {key: value for key, value in obj.items() if key != "status"}
        found = violations(without_status, SCHEMAS[resource], "")
        causes += found + _not_checked(resource, found)
        if resource == TRAIN_JOBS and not found:
            causes += trainer_webhooks.rule_causes(obj)
    if resource == JOBS:
        causes += _job_causes(obj)
    if causes:
        raise invalid_object(resource, metadata["name"], causes)


def _not_checked(resource: Resource, found: list[Json]) -> list[Json]:
    """That rules were left out; Trainer's are not where only a value is wrong."""
    is_malformed = any(one["reason"] in ("FieldValueRequired", "FieldValueTypeInvalid") for one in found)
    leaves_out = bool(found) if resource == PYTORCH_JOBS else is_malformed and resource == TRAIN_JOBS
    return [RULES_NOT_CHECKED] if leaves_out else []


def validate_status(resource: Resource, obj: Json) -> None:
    """Raises 422 for a status that its schema, or a Job's own rules, do not allow."""
    name = obj["metadata"]["name"]
    if resource.is_custom:
        found = violations(obj.get("status"), SCHEMAS[resource].properties["status"], "status", is_status=True)
        found += _not_checked(resource, found)
    elif resource == JOBS:
        found = _job_status_causes(obj.get("status") or {})
    else:
        found = []
    if found:
        raise invalid_object(resource, name, found)


def set_defaults(resource: Resource, obj: Json) -> list[str]:
    """Fill in what the server fills in for a new object; returns warnings."""
    if resource == PODS:
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        obj["spec"].setdefault("restartPolicy", "Always")
        obj["spec"].setdefault("terminationGracePeriodSeconds", 30)
    if resource == TRAIN_JOBS:
        trainer_webhooks.set_defaults(obj)
    if resource != JOBS:
        return []
    uid, name = obj["metadata"].setdefault("uid", str(uuid.uuid4())), obj["metadata"]["name"]
    labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    labels |= {"controller-uid": uid, "job-name": name}
    template = obj["spec"]["template"]
    template.setdefault("metadata", {}).setdefault("labels", {}).update(labels)
    obj["metadata"].setdefault("labels", dict(template["metadata"]["labels"]))
    _set_template_defaults(template["spec"])
    defaults: dict[str, Any] = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "manualSelector": False}
    defaults |= {"completionMode": "NonIndexed", "suspend": False, "podReplacementPolicy": "TerminatingOrFailed"}
    defaults["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    obj["spec"] = defaults | obj["spec"]
    obj["status"] = {}
    return [DOTS_IN_A_JOB_NAME] if "." in name else []


def _set_template_defaults(spec: Json) -> None:
    """They matter to a client that reads a Job, changes it and writes it back: the template is immutable."""
    for container in spec["containers"]:
        pulls_always = container.get("image", "").endswith(":latest") or ":" not in container.get("image", "")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "Always" if pulls_always else "IfNotPresent")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _name_causes(name: str) -> list[Json]:
    faults = [f"must be no more than {MAX_NAME} characters"] if len(name) > MAX_NAME else []
    if not re.fullmatch(SUBDOMAIN, name):
        faults.append(NOT_A_SUBDOMAIN)
    return [cause("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {fault}') for fault in faults]


def _label_causes(labels: dict[str, str]) -> list[Json]:
    faults = []
    for key, value in labels.items():
        if len(key.rpartition("/")[2]) > MAX_LABEL:
            faults.append(f'Invalid value: "{key}": name part must be no more than {MAX_LABEL} bytes')
        if len(value) > MAX_LABEL:
            faults.append(f'Invalid value: "{value}": must be no more than {MAX_LABEL} bytes')
        elif not re.fullmatch(LABEL_VALUE, value):
            faults.append(f'Invalid value: "{value}": {NOT_A_LABEL}')
    return [cause("metadata.labels", "FieldValueInvalid", fault) for fault in faults]


def _job_causes(obj: Json) -> list[Json]:
    causes = []
    name = obj["metadata"]["name"]
    if len(name) > MAX_LABEL:
        # Twice: the name is the value of two labels of the template.
        text = f'Invalid value: "{name}": must be no more than {MAX_LABEL} bytes'
        causes += [cause("spec.template.labels", "FieldValueInvalid", text)] * 2
    if obj["spec"]["template"]["spec"].get("restartPolicy") not in ("OnFailure", "Never"):
        text = 'Required value: valid values: "OnFailure", "Never"'
        causes.append(cause("spec.template.spec.restartPolicy", "FieldValueRequired", text))
    return causes


def _job_status_causes(status: Json) -> list[Json]:
    held = {one["type"] for one in status.get("conditions") or [] if one["status"] == "True"}
    causes = []
    if "Complete" in held:
        if not status.get("completionTime"):
            text = "Required value: completionTime is required for Complete jobs"
            causes.append(cause("status.completionTime", "FieldValueRequired", text))
        if "SuccessCriteriaMet" not in held:
            text = "Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
            causes.append(cause("status.conditions", "FieldValueInvalid", text))
    if "Failed" in held and "FailureTarget" not in held:
        text = "Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"
        causes.append(cause("status.conditions", "FieldValueInvalid", text))
    if held & {"Complete", "Failed"} and not status.get("startTime"):
        text = "Required value: startTime is required for finished job"
        causes.append(cause("status.startTime", "FieldValueRequired", text))
    return causes


def check_immutable(resource: Resource, present: Json, new: Json) -> None:
    """Raises 422 for a change of a Job's, TrainJob's or pod's spec that the server refuses; 403 for its webhook."""
    name = new["metadata"]["name"]
    if resource == TRAIN_JOBS:
        trainer_webhooks.check_change(present, new)
    if resource == JOBS:
        causes = []
        for field in ("completions", "selector", "completionMode", "template"):
            if present["spec"].get(field) != new["spec"].get(field):
                path = "spec.template.spec" if field == "template" else f"spec.{field}"
                told = "{...}" if field == "template" else new["spec"].get(field)
                causes.append(cause(path, "FieldValueInvalid", f"Invalid value: {told}: field is immutable"))
        if causes:
            raise invalid_object(resource, name, causes)
    if resource == PODS and present["spec"] != new["spec"]:
        text = (
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
            "negative)"
        )
        raise invalid_object(resource, name, [cause("spec", "FieldValueForbidden", text)])


def check_body(resource: Resource, obj: Any, namespace: str, name: str | None) -> None:
    """The body's kind, namespace and name against the URL's. Raises 400 or 422."""
    if not isinstance(obj, dict):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; json "
            "parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "
            '"json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
    metadata = obj.setdefault("metadata", {})
    given_kind = obj.setdefault("kind", resource.kind)
    obj.setdefault("apiVersion", resource.api_version)
    if given_kind != resource.kind:
        given = Resource(resource.group, resource.version, resource.plural, given_kind)
        text = f'Invalid value: "{given_kind}": must be {resource.kind}'
        raise invalid_object(given, metadata.get("name", ""), [cause("kind", "FieldValueInvalid", text)])
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if name is not None and metadata.get("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    metadata["namespace"] = namespace


def no_version_on_create() -> ApiError:
    return ApiError(500, "resourceVersion should not be set on objects to be created")
