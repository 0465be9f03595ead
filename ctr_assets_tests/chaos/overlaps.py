"""Whether anything ran twice at once, by the history of the cluster's store."""

from collections import defaultdict
from collections.abc import Callable

from ctr_assets_tests.kubernetes.pod_states import is_running
from ctr_assets_tests.kubernetes.resources import PODS, Json
from ctr_assets_tests.kubernetes.server import FakeApiServer

KeyOf = Callable[[Json], str | None]


def overlaps(server: FakeApiServer, key_of: KeyOf) -> list[str]:
    """Pairs of pods of one key whose containers ran at the same time; ``key_of`` is None for pods that do not count."""
    running: dict[str, dict[str, str]] = defaultdict(dict)
    found = []
    for change in server.store.changes_after(0):
        if change.resource != PODS or (key := key_of(change.object)) is None:
            continue
        metadata = change.object["metadata"]
        if change.type != "DELETED" and is_running(change.object):
            others = [name for uid, name in running[key].items() if uid != metadata["uid"]]
            found += [f"{key}: {metadata['name']} beside {other}" for other in others]
            running[key][metadata["uid"]] = metadata["name"]
        else:
            running[key].pop(metadata["uid"], None)
    return sorted(set(found))


def job_of(pod: Json) -> str | None:
    """Asset and partition of a driver, and of each rank of training."""
    labels = pod["metadata"]["labels"]
    if "ctr-assets/asset" not in labels or labels.get("spark-role") == "executor":
        return None
    rank = [labels[f"training.kubeflow.org/replica-{part}"] for part in ("type", "index") if "spark-role" not in labels]
    return " ".join([labels["ctr-assets/asset"], labels["ctr-assets/partition"], *rank])
