"""What a client reads of an answer: the part of a body in which the fake has to agree with the recordings."""

import json
import re
from typing import Any

from ctr_assets_tests.kubernetes.resources import Json

# Differs from run to run, or is the server's own business.
METADATA = frozenset(
    [
        "name",
        "namespace",
        "generateName",
        "labels",
        "annotations",
        "generation",
        "finalizers",
        "deletionGracePeriodSeconds",
    ]
)
JOB_SPEC = ("backoffLimit", "completions", "parallelism", "suspend", "completionMode", "manualSelector")
EVENT = ("reason", "type", "message", "count", "series", "involvedObject", "reportingComponent")
CUSTOM_KINDS = ("SparkApplication", "PyTorchJob", "TrainJob")


def view(body: Any) -> Any:
    """A comparable reduction of a JSON body; anything else as it is."""
    if not isinstance(body, dict) or "kind" not in body:
        return body
    kind = body["kind"]
    if kind == "Status":
        return _status_view(body)
    if kind.endswith("List") and "items" in body:
        item_kind = kind.removesuffix("List")
        metadata = body["metadata"]
        page = {"has_more": bool(metadata.get("continue")), "names_continue": "continue" in metadata}
        page["remaining"] = metadata.get("remainingItemCount")
        items = [view({"kind": item_kind} | item) for item in body["items"]]
        return {"kind": kind, "apiVersion": body["apiVersion"], "items": items} | page
    return object_view(body)


def object_view(obj: Json) -> Json:
    metadata = obj["metadata"]
    seen = {key: metadata[key] for key in METADATA if key in metadata}
    if "generateName" in seen:
        obj = json.loads(json.dumps(obj).replace(metadata["name"], f"{metadata['generateName']}*****"))
        seen["name"] = obj["metadata"]["name"]
    seen |= {f"has {key}": key in metadata for key in ("uid", "resourceVersion", "creationTimestamp")}
    seen["is being deleted"] = "deletionTimestamp" in metadata
    result: Json = {"kind": obj["kind"], "metadata": seen, "status": _part_status(obj)}
    spec = obj.get("spec")
    if obj["kind"] in CUSTOM_KINDS:
        result["spec"] = spec
    elif obj["kind"] == "Job" and spec:
        result["spec"] = {key: spec.get(key) for key in JOB_SPEC}
        result["labels of pods"] = spec["template"].get("metadata", {}).get("labels")
    elif obj["kind"] == "Event":
        result |= {key: obj.get(key) for key in EVENT}
    return result


def _part_status(obj: Json) -> Any:
    status = obj.get("status")
    if not status or obj["kind"] in CUSTOM_KINDS:
        return without_times(status) or None
    conditions = [(one["type"], one["status"], one.get("reason")) for one in status.get("conditions") or []]
    if obj["kind"] == "Job":
        return {"conditions": conditions}
    if obj["kind"] != "Pod":
        return None
    containers = []
    for one in status.get("containerStatuses") or []:
        states = {key: state_view(one.get(key) or {}) for key in ("state", "lastState")}
        containers.append({key: one[key] for key in ("name", "ready", "restartCount")} | states)
    return {"phase": status["phase"], "conditions": sorted(conditions, key=str), "containers": containers}


def state_view(state: Json) -> tuple[str, str | None, int | None] | None:
    """A container's state: which, its reason, its exit code."""
    for key, value in state.items():
        return key, value.get("reason"), value.get("exitCode")
    return None


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(below) for key, below in value.items() if not key.endswith("Time")}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def _status_view(body: Json) -> Json:
    details = dict(body.get("details") or {})
    # Go walks its maps in any order: several causes come in any order.
    causes = sorted(
        (one.get("reason", ""), one.get("field", ""), _text(one["message"])) for one in details.pop("causes", [])
    )
    message = _text(body.get("message", ""))
    if len(causes) > 1:
        message = message.partition(" is invalid: ")[0]
    told = {key: body.get(key) for key in ("kind", "apiVersion", "status", "reason", "code")}
    token = bool(body["metadata"].get("continue"))
    return told | {"message": message, "details": details, "causes": causes, "has token": token}


def _text(message: str) -> str:
    """Without what only Go's own dump of an object, or this server's counter, can say."""
    message = re.sub(r"current: \d+|\(\d+\)$|too old resource version: \d+", "*", message)
    message = re.sub(r"Invalid value: \{.*", "Invalid value: {...}", message, flags=re.DOTALL)
    message = re.sub(r" \([0-9a-f]{6}\)$|(?<=continue key is not valid: ).*", "", message)
    return re.split(r"\n@@", message)[0].strip()
