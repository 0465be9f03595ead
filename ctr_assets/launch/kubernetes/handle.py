"""The launch handle: what a run writes into its event log right after it created a resource, to find it again."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import dagster as dg
from dagster import DagsterEventType, DagsterInstance

from ctr_assets.private_dagster import EngineEventData

METADATA_KEY: Final = "ctr_assets/launch_handle"
State = Literal["launched", "failed", "lost", "refused"]


@dataclass(frozen=True)
class LaunchHandle:
    """A resource that a run launched for a step, and where its job reports.

    ``attempt`` counts resources of the step over the run and its retries, from 0. A second record is written when the
    resource is over and the next attempt must not adopt it. Its ``outcome`` says how: ``failed``; ``lost``, its pods
    taken away by the cluster; ``refused``, no room for its pods. Its ``seconds`` are the resource's own.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    step: str
    attempt: int
    message_prefix: str
    outcome: State = "launched"
    seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.outcome != "launched"

    def ended(self, outcome: State, seconds: float = 0.0) -> "LaunchHandle":
        """The record that this resource must not be adopted again."""
        return replace(self, outcome=outcome, seconds=seconds)


def record(context: dg.AssetExecutionContext, handle: LaunchHandle, message: str) -> None:
    """Write a handle into the event log of the context's run."""
    data = EngineEventData(metadata={METADATA_KEY: dg.MetadataValue.json(asdict(handle))})
    context.instance.report_engine_event(message, context.run, data, step_key=handle.step)


def handles(instance: DagsterInstance, run: dg.DagsterRun) -> list[LaunchHandle]:
    """Handles of a run and of every run it retries, oldest first."""
    return [handle for each in (*reversed(list(_ancestors(instance, run))), run) for handle in _of_run(instance, each)]


def _ancestors(instance: DagsterInstance, run: dg.DagsterRun) -> Iterator[dg.DagsterRun]:
    while run.parent_run_id is not None:
        parent = instance.get_run_by_id(run.parent_run_id)
        if parent is None:
            return
        yield parent
        run = parent


def _of_run(instance: DagsterInstance, run: dg.DagsterRun) -> Iterator[LaunchHandle]:
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is None or METADATA_KEY not in event.engine_event_data.metadata:
            continue
        value: Any = event.engine_event_data.metadata[METADATA_KEY].value
        yield LaunchHandle(**value)
