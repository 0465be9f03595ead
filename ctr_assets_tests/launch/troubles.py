"""Troubles of the cluster while a job is launched and runs, made for any launcher.

A child process has no cluster, so nothing happens to it; on a real cluster, which is not ours to switch off, only a pod
is evicted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import kubernetes.client

from ctr_assets.launch import JobLauncher
from ctr_assets.launch.kubernetes.launcher import KubernetesLauncher
from ctr_assets.launch.kubernetes.names import CODE_LOCATION
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.scripted_job import Notes
from ctr_assets_tests.launch.test_process_launcher import wait_until

OUTAGE_SECONDS = 1.5


@dataclass(frozen=True)
class Place:
    """Where a launcher launches: ``server`` is None but for the fake cluster's."""

    launcher: JobLauncher
    notes: Notes
    server: FakeApiServer | None

    def is_away(self) -> None:
        if self.server:
            self.server.away_for(OUTAGE_SECONDS)

    def has_no_room(self) -> None:
        if self.server and isinstance(self.launcher, KubernetesLauncher):
            namespace, plural = self.launcher.settings.cluster.namespace, self.launcher.kind.plural
            self.server.limit(namespace, plural)
            threading.Timer(OUTAGE_SECONDS, self.server.lift_limit, (namespace, plural)).start()

    def evicts(self) -> None:
        if isinstance(self.launcher, KubernetesLauncher):
            client = self.launcher.client()
            (resource,) = client.find(f"{CODE_LOCATION}={self.launcher.code_location}")
            pod = client.main_pod(resource["metadata"]["name"])
            assert pod is not None
            eviction = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name=pod.metadata.name))
            core = kubernetes.client.CoreV1Api(client.api)
            core.create_namespaced_pod_eviction(pod.metadata.name, client.namespace, eviction)


@contextmanager
def at_once(act: Callable[[], None], _: Notes) -> Iterator[None]:
    act()
    yield


@contextmanager
def once_it_runs(act: Callable[[], None], notes: Notes) -> Iterator[None]:
    def wait_and_act() -> None:
        wait_until(lambda: notes.runs() != [], seconds=240)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join()


TROUBLES = {
    "the API server is away at the launch": (at_once, Place.is_away),
    "the API server is away while the job runs": (once_it_runs, Place.is_away),
    "a quota is used up": (at_once, Place.has_no_room),
    "a pod is evicted": (once_it_runs, Place.evicts),
}
