"""Pods that the cluster takes away are not jobs that failed: a fresh resource, within the same run. On any cluster."""

import re
import threading

import dagster as dg
import kubernetes.client
import pytest

from ctr_assets.launch.kubernetes.handle import handles
from ctr_assets_tests.launch.kubernetes.test_launcher import show
from ctr_assets_tests.launch.kubernetes.worker import WAIT_SECONDS
from ctr_assets_tests.launch.scripted import DAYS, KEY, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

pytestmark = pytest.mark.long


def evict(core, namespace, pod):
    eviction = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name=pod))
    core.create_namespaced_pod_eviction(pod, namespace, eviction)


def delete(core, namespace, pod):
    core.delete_namespaced_pod(pod, namespace)


def force(core, namespace, pod):
    core.delete_namespaced_pod(pod, namespace, grace_period_seconds=0)


WAYS = {"evicted": evict, "deleted": delete, "deleted by force": force}
PODS = {"spark": ["driver"], "pytorch": ["master-0", "worker-0"], "trainjob": ["node-0-0", "node-0-1"]}
# Ranks of one attempt that runs undisturbed.
RANKS = {"spark": [0], "pytorch": [0, 1], "trainjob": [0, 1]}


def events(instance, result):
    """What the run's engine events say."""
    entries = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return [entry.dagster_event.message for entry in entries]


def pod_name(core, namespace, beginning):
    """A TrainJob's pods end in five characters of chance."""
    names = [pod.metadata.name for pod in core.list_namespaced_pod(namespace).items]
    return next(name for name in names if name == beginning or name.startswith(f"{beginning}-"))


class Taker:
    """Takes a pod of each attempt away as soon as all its ranks run; the attempts after ``times`` go through."""

    def __init__(self, cluster, kind, way, pod, times=1, lost_attempts=3):
        self.cluster, self.kind, self.way, self.pod = cluster, kind, way, pod
        self.launcher = cluster.launcher(kind, pytorch={"workers": 1}, cluster={"lost_attempts": lost_attempts})
        self.taken = 0
        self._thread = threading.Thread(target=self._take, args=(times,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()

    def _take(self, times):
        core = kubernetes.client.CoreV1Api(self.launcher.client().api)
        for number in range(1, times + 1):
            ranks = sorted(RANKS[self.kind] * number)
            wait_until(lambda ranks=ranks: self.cluster.notes.runs() == ranks, seconds=WAIT_SECONDS)
            name = self.cluster.resources(self.kind)[-1]["metadata"]["name"]
            self.way(core, self.cluster.namespace, pod_name(core, self.cluster.namespace, f"{name}-{self.pod}"))
            self.taken += 1
        wait_until(lambda: len(self.cluster.notes.runs()) == len(RANKS[self.kind]) * (times + 1), seconds=WAIT_SECONDS)
        self.cluster.notes.open_gate()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(("kind", "pod"), [(kind, pod) for kind in PODS for pod in PODS[kind]])
def test_a_job_whose_pod_is_taken_away_is_launched_again_within_its_run(cluster, instance, kind, pod, how):
    with Taker(cluster, kind, WAYS[how], pod) as taker:
        result = materialize(taker.launcher, instance, notes_url=cluster.notes.url, waits_at_gate=True)
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert len(instance.fetch_materializations(KEY, limit=10).records) == len(DAYS)
    assert cluster.notes.runs() == sorted(RANKS[kind] * 2)
    (resource,) = cluster.resources(kind)
    assert resource["metadata"]["name"].endswith("-a1")
    found = handles(instance, instance.get_run_by_id(result.run_id))
    assert [handle.outcome for handle in found] == ["launched", "lost", "launched"]
    (told,) = [text for text in events(instance, result) if "took its pods away" in text]
    assert re.search(rf"-{pod}(-[a-z0-9]{{5}})?: ", told)
    assert "loss 1 of 3" in told
    # The cost is that of both resources.
    (record, *_) = instance.fetch_materializations(KEY, limit=1).records
    assert record.asset_materialization.metadata["core_seconds"].value > 0


def test_a_job_that_loses_its_pods_again_and_again_fails_after_the_stated_attempts(cluster, instance, kind):
    with Taker(cluster, kind, evict, PODS[kind][0], times=3, lost_attempts=2) as taker:
        result = materialize(taker.launcher, instance, notes_url=cluster.notes.url, waits_at_gate=True)
        # Nothing comes after the third loss: let the taker end.
        for rank in RANKS[kind]:
            cluster.notes.note_run(rank)
    assert not result.success
    assert "Its pods were lost 3 times." in show(result)
    assert materialized(instance) == set()
    assert cluster.resources(kind) == []


def test_what_fails_by_itself_is_final_and_says_so(cluster, instance, kind):
    launcher = cluster.launcher(kind)
    result = materialize(launcher, instance, notes_url=cluster.notes.url, killed=True)
    assert not result.success
    assert "It failed by itself, which is final." in show(result)
    assert cluster.notes.runs() == [0]


def test_a_job_out_of_memory_is_final(fake, api_server, operator, instance, kind):
    operator.scenario = "oom"
    launcher = fake.launcher(kind)
    told = show(materialize(launcher, instance, seconds=60))
    assert "OOMKilled" in told
    assert "It failed by itself, which is final." in told
    assert len(api_server.requests_of("POST", launcher.kind.plural)) == 1
