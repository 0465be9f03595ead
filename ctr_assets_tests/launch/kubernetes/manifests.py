"""Jobs that the manifest tests share, and what the operators' own schemas say of a manifest."""

from pathlib import Path
from typing import Any

from ctr_assets.launch import JobDescription
from ctr_assets.launch.kubernetes.names import labels
from ctr_assets_tests.kubernetes.crds import violations

ROOT = Path(__file__).parents[3]

LABELS = labels("run-1", "nightly", "asset", ("2014-10-21",), "ctr", 0)
PIPES = {"DAGSTER_PIPES_CONTEXT": "c", "DAGSTER_PIPES_MESSAGES": "m"}
SPARK_JOB = JobDescription("encoded_features", {"days": ["2014-10-21"], "store_url": "gs://b/store"}, ("2014-10-21",))
TRAINING_JOB = JobDescription("wide_deep_model", {"day": "2014-10-30", "store_url": "gs://b/store"}, ("2014-10-30",))
EVALUATION_JOB = JobDescription("evaluation_metrics", {"day": "2014-10-30"}, ("2014-10-30",))


def env_of(container: dict[str, Any]) -> dict[str, Any]:
    """A container's environment by name: the value, or the reference to one."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def assert_operators_accept(manifests: list[dict[str, Any]]) -> None:
    """Check against the published CRD schemas, unknown fields forbidden."""
    assert manifests
    assert [said for manifest in manifests for said in violations(manifest)] == []
