"""What a launcher's test must not leave behind: custom resources, messages in the bucket, processes."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from google.cloud import storage

from ctr_assets.launch.kubernetes.state import (
    Phase,
    observe_pytorch_job,
    observe_spark_application,
    observe_train_job,
)
from ctr_assets_tests.launch.kubernetes.cluster import Cluster
from ctr_assets_tests.processes import processes_with

OBSERVE = {"spark": observe_spark_application, "pytorch": observe_pytorch_job, "trainjob": observe_train_job}
ENDING_SECONDS = 10.0
"""How long what was told to end may take."""


class LeftBehindError(AssertionError):
    """A test must declare what it leaves on purpose, and clear away the rest."""


@dataclass(frozen=True)
class Processes:
    """The processes that a test started, and theirs: all that inherited ``variable`` with this value."""

    variable: str = "CTR_TEST_PROCESSES"
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def alive(self) -> list[str]:
        """Number and command line of each; one that only waits to be reaped has no environment any more."""
        return [f"{process.name}: {_command(process)}" for process in processes_with(self.variable, self.mark)]


def _command(process: Path) -> str:
    with suppress(OSError):
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def unfinished(cluster: Cluster) -> list[str]:
    """Resources that nothing follows any more and that did not end well; those that did are kept for their log."""
    found = []
    for kind in cluster.kinds:
        for resource in cluster.resources(kind):
            seen = OBSERVE[kind](resource)
            if seen.phase is not Phase.SUCCEEDED:
                found.append(f"{resource['kind']} {resource['metadata']['name']} ({seen.state})")
    return found


def stray_messages(cluster: Cluster) -> list[str]:
    """Messages of no resource that is still there: the sweeper, which goes by resources, would never find them."""
    names = {resource["metadata"]["name"] for kind in cluster.kinds for resource in cluster.resources(kind)}
    return [message for message in cluster.messages() if message.partition("/")[0] not in names]


@contextmanager
def nothing_left_behind(cluster: Cluster, processes: Processes, leaves_resources: bool = False) -> Iterator[None]:
    """Raises :class:`LeftBehindError` at the end of the block when something remains that should not.

    What may remain (all resources with ``leaves_resources``, else those that ended well) is swept, as a deployment's
    sweeper would; after that not even a process, a message or a finished resource may be there.
    """
    yield
    left = [] if leaves_resources else unfinished(cluster)
    left += stray_messages(cluster)
    with dg.DagsterInstance.ephemeral() as knows_no_run:
        for kind in cluster.kinds:
            list(cluster.launcher(kind).sweep(knows_no_run))
    left += _after_a_while(
        lambda: [found["metadata"]["name"] for kind in cluster.kinds for found in cluster.resources(kind)]
    )
    left += cluster.messages()
    left += _after_a_while(processes.alive)
    forget(cluster.notes.url)
    if left:
        raise LeftBehindError(f"the test left behind: {'; '.join(left)}")


def _after_a_while(find: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + ENDING_SECONDS
    while (found := find()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def forget(url: str) -> None:
    """Delete everything under a URL of a bucket."""
    bucket, _, prefix = url.removeprefix("gs://").partition("/")
    for blob in storage.Client().bucket(bucket).list_blobs(prefix=f"{prefix}/"):
        blob.delete()
