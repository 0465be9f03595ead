"""Training that loses a pod to its node: the real entry point, two ranks, checkpoints in the bucket."""

import re
import threading
from contextlib import contextmanager

import dagster as dg
import kubernetes.client
import pytest

from ctr_assets.launch.kubernetes.engines import PyTorchLauncher, TrainJobLauncher
from ctr_assets.storage import Store
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.launch.kubernetes.cluster import NAMESPACE
from ctr_assets_tests.launch.kubernetes.test_lost_pods import pod_name
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
def losing_pods(cluster, core, store, kind, suffixes):
    """Evict a pod of the block's training for each suffix, as nodes that go away do, two epochs after each other.

    Yields the last checkpointed epoch at each loss.
    """
    lost_at: list[int] = []

    def evict():
        for number, suffix in enumerate(suffixes):
            epoch = max(lost_at, default=0) + 2
            wait_until(lambda epoch=epoch: max(checkpointed_epochs(store), default=0) >= epoch, seconds=240)
            (resource,) = cluster.resources(kind)
            metadata = resource["metadata"]
            assert metadata["name"].endswith(f"-a{number}")
            name = pod_name(core, NAMESPACE, f"{metadata['name']}-{suffix}")
            lost_at.append(max(checkpointed_epochs(store)))
            eviction = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name=name))
            core.create_namespaced_pod_eviction(name, NAMESPACE, eviction)

    node = threading.Thread(target=evict)
    node.start()
    yield lost_at
    node.join()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "launcher_class", "suffixes"),
    [
        ("pytorch", PyTorchLauncher, ["worker-0", "master-0"]),
        ("trainjob", TrainJobLauncher, ["node-0-1", "node-0-0"]),
    ],
)
def test_training_that_loses_its_pods_goes_on_from_its_last_checkpoint_within_its_run(
    fake, api_server, kind, launcher_class, suffixes
):
    store = Store(f"{fake.url}/store")
    write_days(store, DAYS, rows_per_day=300)
    launcher = launcher_class(**fake.connection(pytorch={"workers": 1, "cpu": 1}))
    core = kubernetes.client.CoreV1Api(api_server.client())
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(
            f"{fake.url}/landing", store.url, instance, {"spark_launcher": launcher, "pytorch_launcher": launcher}
        )
        with losing_pods(fake, core, store, kind, suffixes) as lost_at:
            graph.materialize("wide_deep_model", first=DAYS[-1], config={"wide_deep_model": TRAINING})
        resumed = told(instance, r"^resumed after epoch (\d+)")
        # A pod may end more epochs before it goes: how many depends on the machine.
        assert all(epoch <= after < EPOCHS for epoch, after in zip(lost_at, resumed, strict=True)), (lost_at, resumed)
        assert told(instance, r"^epoch (\d+): ")[-1] == EPOCHS
        assert graph.metadata("wide_deep_model", DAYS[-1])["epochs"] == EPOCHS
    assert checkpointed_epochs(store) == []
