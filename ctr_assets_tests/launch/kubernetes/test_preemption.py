"""Training that loses a pod to its node: the real entry point, two ranks, checkpoints in the bucket."""

import re
import sys
import threading
from contextlib import contextmanager

import dagster as dg
import kubernetes.client
import pytest

from ctr_assets.launch.kubernetes.engines import PyTorchLauncher
from ctr_assets.launch.launcher import JobFailedError
from ctr_assets.storage import Store
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.launch.kubernetes.cluster import NAMESPACE
from ctr_assets_tests.launch.test_process_launcher import wait_until
from ctr_assets_tests.materializing import Graph

DAYS = ["2014-10-21", "2014-10-22"]
EPOCHS = 10
TRAINING = {"epochs": EPOCHS, "patience": EPOCHS, "hidden": [8], "batch_size": 256}


def checkpointed_epochs(store):
    """Epochs whose checkpoint is in the store now."""
    store.fs.invalidate_cache()
    return [
        int(found)
        for path in store.fs.find(store.path("checkpoints"))
        for found in re.findall(r"epoch-(\d+)\.pt$", path)
    ]


def told(instance, pattern):
    """Numbers that the newest run's training told, in order."""
    run = max(instance.get_run_records(), key=lambda record: record.create_timestamp).dagster_run
    return [int(n) for entry in instance.all_logs(run.run_id) for n in re.findall(pattern, entry.user_message)]


@contextmanager
def losing_a_pod(cluster, core, store, suffix, epoch):
    """Evict a pod of the block's training once the checkpoint of an epoch is there, as a node that goes away does."""

    def evict():
        wait_until(lambda: max(checkpointed_epochs(store), default=0) >= epoch, seconds=120)
        (resource,) = cluster.resources("pytorch")
        name = f"{resource['metadata']['name']}-{suffix}"
        eviction = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name=name))
        core.create_namespaced_pod_eviction(name, NAMESPACE, eviction)

    node = threading.Thread(target=evict)
    node.start()
    with pytest.raises(JobFailedError, match=r"replica\(s\) failed") as failed:
        yield
    node.join()
    sys.stdout.write(f"\n{failed.value.description}\n")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_preempted_pod_fails_the_attempt_and_the_next_goes_on_from_the_last_checkpoint(fake, api_server, tmp_path):
    store = Store(f"{fake.url}/store")
    write_days(store, DAYS, rows_per_day=300)
    launcher = PyTorchLauncher(**fake.connection(pytorch={"workers": 1, "cpu": 1}))
    core = kubernetes.client.CoreV1Api(api_server.client())

    def train():
        graph.materialize("wide_deep_model", first=DAYS[-1], config={"wide_deep_model": TRAINING})

    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(
            f"{fake.url}/landing", store.url, instance, {"spark_launcher": launcher, "pytorch_launcher": launcher}
        )
        with losing_a_pod(fake, core, store, "worker-0", epoch=2):
            train()
        first = max(checkpointed_epochs(store))
        with losing_a_pod(fake, core, store, "master-0", epoch=first + 2):
            train()
        assert told(instance, r"^resumed after epoch (\d+)") == [first]
        second = max(checkpointed_epochs(store))
        train()
        assert told(instance, r"^resumed after epoch (\d+)") == [second]
        assert told(instance, r"^epoch (\d+): ") == list(range(second + 1, EPOCHS + 1))
        assert graph.metadata("wide_deep_model", DAYS[-1])["epochs"] == EPOCHS
    assert checkpointed_epochs(store) == []
