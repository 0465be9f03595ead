"""A job of Kueue's: it waits suspended, is admitted, preempted (that is, suspended again) and admitted again."""

import contextlib
import threading
import time

import pytest

from ctr_assets.launch.kubernetes.handle import handles
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.resources import PYTORCH_JOBS, SPARK_APPLICATIONS, TRAIN_JOBS
from ctr_assets_tests.launch.scripted import DAYS, KEY, materialize, materialized
from ctr_assets_tests.launch.test_process_launcher import wait_until

RESOURCES = {"spark": SPARK_APPLICATIONS, "pytorch": PYTORCH_JOBS, "trainjob": TRAIN_JOBS}
PENDING_LIMIT_SECONDS = 3


class Kueue:
    """Admits what waits after a while, and preempts what it admitted once: what a client sees of Kueue."""

    def __init__(self, server, cluster, kind, preemptions):
        self.server, self.cluster, self.resource = server, cluster, RESOURCES[kind]
        self.preemptions = preemptions
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()

    def _run(self):
        for preempted in range(self.preemptions + 1):
            wait_until(lambda: self.server.store.objects(self.resource, self.cluster.namespace), seconds=60)
            (found,) = self.server.store.objects(self.resource, self.cluster.namespace)
            assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ctr"
            time.sleep(PENDING_LIMIT_SECONDS + 1)
            self._suspend(found, False)
            ranks = [0] * (preempted + 1)
            wait_until(lambda ranks=ranks: self.cluster.notes.runs() == ranks, seconds=60)
            if preempted < self.preemptions:
                # The job has reported its days by now: a reader is beyond its first messages.
                time.sleep(2.5)
                self._suspend(found, True)
        self.cluster.notes.open_gate()

    def _suspend(self, found, is_suspended):
        def change(obj):
            obj["spec"].get("runPolicy", obj["spec"])["suspend"] = is_suspended

        with contextlib.suppress(ApiError):
            self.server.store.edit(self.resource, self.cluster.namespace, found["metadata"]["name"], change)


@pytest.mark.long
@pytest.mark.parametrize("preemptions", [0, 2], ids=["admitted", "preempted twice"])
def test_a_job_of_a_queue_is_waited_for_however_often_it_is_suspended(fake, api_server, instance, kind, preemptions):
    launcher = fake.launcher(
        kind,
        cluster={"pending_limit_seconds": PENDING_LIMIT_SECONDS},
        spark={"queue": "ctr"},
        pytorch={"queue": "ctr"},
    )
    with Kueue(api_server, fake, kind, preemptions):
        result = materialize(launcher, instance, notes_url=fake.notes.url, waits_at_gate=True)
    assert result.success
    assert materialized(instance) == set(DAYS)
    assert len(instance.fetch_materializations(KEY, limit=10).records) == len(DAYS)
    assert fake.notes.runs() == [0] * (preemptions + 1)
    # The same resource all along: a preemption is no lost pod.
    assert [handle.outcome for handle in handles(instance, instance.get_run_by_id(result.run_id))] == ["launched"]
