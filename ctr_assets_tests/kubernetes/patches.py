"""Patches of an object: JSON merge, strategic merge, JSON patch and server-side apply. Pure functions."""

import copy
from typing import Any

from ctr_assets_tests.kubernetes.errors import ERROR_IN_OUR_REQUEST, ApiError, bad_request
from ctr_assets_tests.kubernetes.resources import Json

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"

# The lists that a strategic patch merges by a key; all others it replaces.
MERGE_KEYS = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "conditions": "type"}


def patched(obj: Json, patch: Any, content_type: str) -> Json:
    """A patched copy. Raises 400 for a patch of the wrong shape and 422 for a JSON patch that does not apply."""
    if content_type == JSON_PATCH:
        if not isinstance(patch, list):
            raise bad_request(
                "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
            )
        return _json_patch(copy.deepcopy(obj), patch)
    if not isinstance(patch, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return _merge(copy.deepcopy(obj), patch, is_strategic=content_type == STRATEGIC)


def _merge(target: Any, patch: Json, is_strategic: bool) -> Json:
    result: Json = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merge(result.get(key), value, is_strategic)
        elif is_strategic and key in MERGE_KEYS and isinstance(value, list):
            result[key] = _merge_list(result.get(key) or [], value, MERGE_KEYS[key])
        else:
            result[key] = copy.deepcopy(value)
    return result


def _merge_list(present: list[Json], patch: list[Json], merge_key: str) -> list[Json]:
    merged = {item[merge_key]: item for item in present}
    for item in patch:
        merged[item[merge_key]] = _merge(merged.get(item[merge_key]), item, is_strategic=True)
    return list(merged.values())


def _json_patch(obj: Json, operations: list[Json]) -> Json:
    for operation in operations:
        try:
            _apply_operation(obj, operation)
        except (KeyError, IndexError, ValueError, TypeError) as e:
            raise ApiError(422, ERROR_IN_OUR_REQUEST, "Invalid", {}) from e
    return obj


def _apply_operation(obj: Json, operation: Json) -> None:
    keys = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    parent: Any = obj
    for key in keys[:-1]:
        parent = parent[int(key)] if isinstance(parent, list) else parent[key]
    last: Any = keys[-1]
    if isinstance(parent, list):
        last = len(parent) if last == "-" else int(last)
    name = operation["op"]
    if name == "test":
        if parent[last] != operation["value"]:
            raise ValueError("test failed")
    elif name == "remove":
        del parent[last]
    elif name == "add" and isinstance(parent, list):
        parent.insert(last, operation["value"])
    elif name in ("add", "replace"):
        if name == "replace":
            parent[last]  # a missing path is an error
        parent[last] = operation["value"]
    else:
        raise ValueError(f"operation {name} is not played here")


def apply_conflicts(obj: Json, patch: Json, path: str = "") -> list[str]:
    """The fields that an apply would change although somebody else set them, as the conflict's text names them."""
    conflicts = []
    for key, value in patch.items():
        if not path and key in ("apiVersion", "kind"):
            continue
        if isinstance(value, dict):
            conflicts += apply_conflicts(obj.get(key) or {}, value, f"{path}.{key}")
        elif key in obj and obj[key] != value:
            conflicts.append(f"{path}.{key}")
    return conflicts
