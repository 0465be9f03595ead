"""The attempts at a job, over a run and those that it retries: what was launched, and which name is next."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import dagster as dg

from ctr_assets.launch.job import JobDescription, Outcome
from ctr_assets.launch.kubernetes.handle import LaunchHandle, handles
from ctr_assets.launch.kubernetes.names import resource_name

if TYPE_CHECKING:
    from ctr_assets.launch.kubernetes.client import ResourceClient


@dataclass(frozen=True)
class Relaunch(Outcome):
    """The resource is gone through no fault of the job, which is to be launched again in a fresh one."""

    for_want_of_room: bool = False


def root_run_id(run: dg.DagsterRun) -> str:
    return run.root_run_id or run.run_id


def step_of(context: dg.AssetExecutionContext) -> str:
    return str(context.asset_key.path[-1])


def job_key(context: dg.AssetExecutionContext, job: JobDescription) -> str:
    """What distinguishes the jobs of a run: a step may launch one job a partition."""
    return f"{step_of(context)} {' '.join(job.partitions)}".strip()


def launches(context: dg.AssetExecutionContext, job: JobDescription) -> list[LaunchHandle]:
    """What this run and those that it retries recorded of the job, oldest first."""
    key = job_key(context, job)
    return [handle for handle in handles(context.instance, context.run) if handle.step == key]


def free_name(context: dg.AssetExecutionContext, job: JobDescription, client: "ResourceClient") -> Iterator[str]:
    """Names of attempts, each used up but the last: that one is free, or its resource is to be adopted.

    Those that are over, here or in a retried run, are left out.
    """
    before = launches(context, job)
    over = {handle.attempt for handle in before if handle.is_over}
    launched = {handle.attempt: handle for handle in before}
    for attempt in count(max(over, default=-1) + 1):
        name = resource_name(root_run_id(context.run), step_of(context), job.partitions, attempt)
        yield name
        if not _is_used_up(client, name, launched.get(attempt)):
            return


def _is_used_up(client: "ResourceClient", name: str, handle: LaunchHandle | None) -> bool:
    """Whether a name's resource was deleted while nobody followed it, or is being deleted: then its end is waited for.

    The name is not taken again: what the deleted job reported would pass for the new one's report.
    """
    resource = client.get(name)
    if resource is None:
        if handle is not None:
            client.wait_until_gone(name, handle.uid)
        return handle is not None
    metadata = resource["metadata"]
    if "deletionTimestamp" in metadata:
        # Once more in our way: a TrainJob that is deleted in the foreground comes back again and again.
        client.delete(name, metadata["uid"])
        return True
    return handle is not None and metadata["uid"] != handle.uid
