"""The InferenceService has only fields that KServe has: by the classes that it generates from its own schema."""

import copy
import re
from typing import Any

import kserve.models
from kubernetes import client

from ctr_assets_tests.deploy.files import rendered


def unknown_fields(value: Any, kind: str, path: str = "") -> list[str]:
    """Paths of the fields that the class ``kind`` of KServe or Kubernetes, or a class within it, does not have."""
    if inner := re.fullmatch(r"list\[(.*)\]|dict\(str, (.*)\)", kind):
        each = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for key, item in each for found in unknown_fields(item, inner[1] or inner[2], f"{path}.{key}")]
    model = getattr(kserve.models, kind, None) or getattr(client, kind, None)
    if model is None:
        return []  # text or a number
    kinds = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
    wrong = [f"{path}.{name}" for name in value if name not in kinds]
    known = (name for name in value if name in kinds)
    return wrong + [found for name in known for found in unknown_fields(value[name], kinds[name], f"{path}.{name}")]


def test_the_inference_service_has_only_fields_that_kserve_has():
    (service,) = rendered("kserve")
    assert unknown_fields(service, "V1beta1InferenceService") == []


def test_a_misspelt_field_would_be_found():
    (service,) = copy.deepcopy(rendered("kserve"))
    service["spec"]["predictor"]["containers"][0]["imagee"] = "x"
    service["spec"]["predictor"]["scaleMetrics"] = "cpu"
    found = unknown_fields(service, "V1beta1InferenceService")
    assert set(found) == {".spec.predictor.scaleMetrics", ".spec.predictor.containers.0.imagee"}
