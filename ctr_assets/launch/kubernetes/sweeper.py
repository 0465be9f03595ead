"""Which resources are left over: those whose run, and every retry of it, is over. Deletes them and their messages."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from dagster import DagsterInstance

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.names import CODE_LOCATION, MANAGED_BY, OURS, RUN_ID, label_value
from ctr_assets.launch.run_group import run_group
from ctr_assets.private_dagster import WILL_RETRY_TAG

GRACE_SECONDS: Final = 120.0
"""Seconds after the end of a run group before its resources count as left over: a retry may be about to start."""


@dataclass(frozen=True)
class Orphan:
    """A resource that nobody waits for, and why that is known."""

    name: str
    uid: str
    reason: str


def find_orphans(
    client: ResourceClient, instance: DagsterInstance, code_location: str, now: float | None = None
) -> list[Orphan]:
    """Resources of this code location whose runs are all over, or unknown to this instance.

    Children that have lost their owner are among them, under its name.
    """
    selector = f"{MANAGED_BY}={OURS},{CODE_LOCATION}={label_value(code_location)}"
    now = time.time() if now is None else now
    return list(_orphans([*client.find(selector), *client.orphans(selector=selector)], instance, now))


def _orphans(resources: Iterable[dict[str, Any]], instance: DagsterInstance, now: float) -> Iterable[Orphan]:
    for resource in resources:
        metadata = resource["metadata"]
        if "deletionTimestamp" in metadata:
            continue
        root = metadata["labels"].get(RUN_ID, "")
        group = run_group(instance, root)
        if not group:
            yield Orphan(metadata["name"], metadata["uid"], f"run {root} is unknown to this instance")
            continue
        last = max(group, key=lambda record: record.create_timestamp)
        if any(not record.dagster_run.is_finished for record in group):
            continue
        ended = last.end_time or last.update_timestamp.timestamp()
        retry_is_due = last.dagster_run.tags.get(WILL_RETRY_TAG) == "true"
        if now - ended > GRACE_SECONDS * (5 if retry_is_due else 1):
            status = last.dagster_run.status.value
            yield Orphan(metadata["name"], metadata["uid"], f"run {last.dagster_run.run_id} is over ({status})")
