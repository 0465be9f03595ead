"""From a manifest to the process that plays its container: argument list and environment. Pure but for os.environ."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ctr_assets_tests.kubernetes.resources import Json

ENTRY_POINT = "ctr_assets/jobs/__main__.py"
REPOSITORY = Path(__file__).parents[2]


def spark_command(spec: Json) -> list[str]:
    """The application file is run by this interpreter; the jobs' entry point as the module that it is."""
    path = str(spec["mainApplicationFile"]).removeprefix("local://").removeprefix("file://")
    arguments = [str(one) for one in spec.get("arguments", [])]
    if path.endswith(ENTRY_POINT):
        return [sys.executable, "-m", "ctr_assets.jobs", *arguments]
    return [sys.executable, path, *arguments]


def spark_env(spec: Json) -> dict[str, str]:
    """The driver's `env` (name and value only) and `envVars`."""
    driver = spec.get("driver", {})
    return dict(driver.get("envVars", {})) | plain_env(driver.get("env", []))


def container_command(container: Json) -> list[str]:
    """`command` and `args`; python, torchrun and dagster are those of this interpreter."""
    command = [*container.get("command", []), *container.get("args", [])]
    program = Path(command[0]).name if command else ""
    if program.startswith("python"):
        return [sys.executable, *command[1:]]
    if program == "torchrun":
        return [sys.executable, "-m", "torch.distributed.run", *command[1:]]
    if program == "dagster":
        return [sys.executable, "-m", "dagster", *command[1:]]
    return [str(one) for one in command]


def plain_env(env: Sequence[Json]) -> dict[str, str]:
    return {one["name"]: str(one["value"]) for one in env if "value" in one}


def field_env(env: Sequence[Json], metadata: Json) -> dict[str, str]:
    """The variables that come from a label or an annotation of the pod, or are its name."""
    paths = {one["name"]: one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "") for one in env}
    found = {name: path.removeprefix("metadata.").rstrip("']").partition("['") for name, path in paths.items() if path}
    return {name: metadata[part][key] if key else metadata[part] for name, (part, _, key) in found.items()}


def secret_env(env: Sequence[Json], read: Callable[[str, str], str]) -> dict[str, str]:
    """The variables that come from secrets; `read` takes a secret's name and key."""
    references = {one["name"]: one.get("valueFrom", {}).get("secretKeyRef") for one in env}
    return {name: read(found["name"], found["key"]) for name, found in references.items() if found}


def process_env(manifest_env: Mapping[str, str]) -> dict[str, str]:
    """The test's environment under the manifest's. A process that outlives the tests ends itself (CTR_LAUNCHER_PID)."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    safety = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "CTR_LAUNCHER_PID": str(os.getpid())}
    return dict(os.environ) | safety | dict(manifest_env)
