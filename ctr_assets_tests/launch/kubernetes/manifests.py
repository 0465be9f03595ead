"""Jobs that the manifest tests share, and the operators' own schemas where this machine has the recordings."""

import importlib.util
import os
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from ctr_assets.launch import JobDescription
from ctr_assets.launch.kubernetes.names import labels

ROOT = Path(__file__).parents[3]
RECORDINGS = Path(os.environ.get("CTR_K8S_RECORDINGS", ROOT.parent / "shared" / "k8s"))

LABELS = labels("run-1", "nightly", "asset", ("2014-10-21",), "ctr", 0)
PIPES = {"DAGSTER_PIPES_CONTEXT": "c", "DAGSTER_PIPES_MESSAGES": "m"}
SPARK_JOB = JobDescription("encoded_features", {"days": ["2014-10-21"], "store_url": "gs://b/store"}, ("2014-10-21",))
TRAINING_JOB = JobDescription("wide_deep_model", {"day": "2014-10-30", "store_url": "gs://b/store"}, ("2014-10-30",))
EVALUATION_JOB = JobDescription("evaluation_metrics", {"day": "2014-10-30"}, ("2014-10-30",))


def env_of(container: dict[str, Any]) -> dict[str, Any]:
    """A container's environment by name: the value, or the reference to one."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def assert_operators_accept(manifests: list[dict[str, Any]], folder: Path) -> None:
    """Check against the published CRD schemas, unknown fields forbidden."""
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    told = StringIO()
    with redirect_stdout(told):
        failed = _checker().main([str(file)])
    assert not failed, told.getvalue()
    assert told.getvalue().startswith(f"{len(manifests)} custom resources checked, 0 errors")


@cache
def _checker() -> Any:
    """The recordings' own checker, which reads its schemas once (2 s)."""
    spec = importlib.util.spec_from_file_location("check_manifests", RECORDINGS / "check_manifests.py")
    assert spec is not None
    assert spec.loader is not None
    checker: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    checker.load_schemas = cache(checker.load_schemas)
    return checker
