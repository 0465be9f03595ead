"""The operators' published schemas, held strictly: a field that they do not name is a violation.

As the API server under ``fieldValidation=Strict``; by default it prunes what it does not know.
"""

from functools import cache
from typing import Any

import jsonschema
import yaml

from ctr_assets_tests.kubernetes.recordings import RECORDED
from ctr_assets_tests.kubernetes.resources import Json


def violations(manifest: Json) -> list[str]:
    """What the schema of a SparkApplication or PyTorchJob says against it. Raises KeyError for another kind."""
    validator = _validators()[manifest["apiVersion"], manifest["kind"]]
    return [
        f"{manifest['metadata'].get('name')}: /{'/'.join(map(str, error.path))}: {error.message[:200]}"
        for error in validator.iter_errors(manifest)
    ]


@cache
def _validators() -> dict[tuple[str, str], Any]:
    """(apiVersion, kind) -> validator."""
    found = {}
    for path in sorted((RECORDED / "crds").glob("*.yaml")):
        spec = yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            _forbid_unknown_fields(schema)
            schema["properties"]["metadata"] = {"type": "object"}
            key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            found[key] = jsonschema.Draft202012Validator(schema)
    return found


def _forbid_unknown_fields(schema: Json) -> None:
    """In place; Kubernetes' own notation becomes that of JSON schema."""
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    properties = schema.get("properties", {})
    if properties and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    for child in (*properties.values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(child, dict):
            _forbid_unknown_fields(child)
