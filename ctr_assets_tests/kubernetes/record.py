"""``python -m ctr_assets_tests.kubernetes.record NAME.yaml --seconds 60``: one run on your cluster, as a transcript.

Creates the resource in the cluster and namespace that KUBECONFIG's context names, and writes to
``recorded/transcripts/`` what the watches of it, of its pods and of its events say. What is to happen to it meanwhile
(a delete, an eviction) is yours to do, and so is deleting it.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes
import yaml

from ctr_assets_tests.kubernetes.recordings import TRANSCRIPTS
from ctr_assets_tests.kubernetes.resources import RESOURCES, Json

CUT_CHARACTERS = 800


def record(manifest: Json, namespace: str, seconds: int, folder: Path) -> None:
    """Create the resource and write its transcripts into the folder, `seconds` long."""
    (resource,) = (
        one for one in RESOURCES if (one.api_version, one.kind) == (manifest["apiVersion"], manifest["kind"])
    )
    custom, core = kubernetes.client.CustomObjectsApi(), kubernetes.client.CoreV1Api()
    at = (resource.group, resource.version, namespace, resource.plural)
    name = manifest["metadata"]["name"]
    began = time.monotonic()
    custom.create_namespaced_custom_object(*at, manifest)
    watched: dict[str, tuple[Callable[..., Any], tuple[str, ...], Callable[[Json], str]]] = {
        name: (custom.list_namespaced_custom_object, at, lambda obj: obj["metadata"]["name"]),
        f"{name}-pods": (core.list_namespaced_pod, (namespace,), lambda obj: obj["metadata"]["name"]),
        f"{name}-events": (core.list_namespaced_event, (namespace,), lambda obj: obj["involvedObject"]["name"]),
    }

    def write(stream: str) -> None:
        list_, arguments, named = watched[stream]
        with (folder / f"{stream}.jsonl").open("w") as file:
            for event in kubernetes.watch.Watch().stream(list_, *arguments, timeout_seconds=seconds):
                if named(event["raw_object"]).startswith(name):
                    frame = {"t": round(time.monotonic() - began, 2), "type": event["type"]}
                    file.write(json.dumps(frame | {"object": _cut(event["raw_object"])}) + "\n")

    threads = [threading.Thread(target=write, args=(stream,)) for stream in watched]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _cut(value: Any) -> Any:
    """Without managedFields; long strings at CUT_CHARACTERS."""
    if isinstance(value, dict):
        return {key: _cut(each) for key, each in value.items() if key != "managedFields"}
    if isinstance(value, list):
        return [_cut(each) for each in value]
    return f"{value[:CUT_CHARACTERS]}...[cut]" if isinstance(value, str) and len(value) > CUT_CHARACTERS else value


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets_tests.kubernetes.record", description=__doc__)
    parser.add_argument(
        "manifest", type=Path, help="one SparkApplication, PyTorchJob, TrainJob or Job; its name is the transcript's"
    )
    parser.add_argument("--seconds", type=int, default=60, help="how long to record (default: 60)")
    parser.add_argument("--folder", type=Path, default=TRANSCRIPTS, help="where to (default: recorded/transcripts)")
    given = parser.parse_args(arguments)
    kubernetes.config.load_kube_config()
    _, context = kubernetes.config.list_kube_config_contexts()
    namespace = context["context"].get("namespace", "default")
    record(yaml.safe_load(given.manifest.read_text()), namespace, given.seconds, given.folder)


if __name__ == "__main__":
    main()
