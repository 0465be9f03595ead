"""The TrainJob, line by line, against Trainer's schema, and beside a PyTorchJob: they run the same pods."""

from typing import Any

import pytest
import yaml

from ctr_assets.jobs.ranks import take_rank
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings
from ctr_assets.launch.kubernetes.train_job import problems_of_runtime, train_job
from ctr_assets.problems import SettingsError
from ctr_assets_tests.kubernetes.job_templates import job_of, job_set_of, pod_of
from ctr_assets_tests.launch.kubernetes.cluster import RUNTIME_FILE
from ctr_assets_tests.launch.kubernetes.manifests import (
    EVALUATION_JOB,
    LABELS,
    PIPES,
    SPARK_JOB,
    TRAINING_JOB,
    assert_operators_accept,
)
from ctr_assets_tests.launch.kubernetes.test_pytorch_job import FOUR_GPUS, FULL_CLUSTER
from ctr_assets_tests.launch.kubernetes.test_pytorch_job import manifest as pytorch_manifest

RUNTIME = yaml.safe_load(RUNTIME_FILE.read_text())


def manifest(torch=None, cluster=None, job=TRAINING_JOB):
    torch = torch or PyTorchSettings(image="r/ctr-torch:1")
    return train_job(job, "ctr-x-a0", LABELS, PIPES, cluster or ClusterSettings(), torch)


def test_the_defaults_line_by_line():
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "node",
        "securityContext": security,
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }
    pod = {
        "serviceAccountName": "ctr-pytorch",
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2048Mi"}}],
        "containers": [container],
    }
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    assert manifest() == {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "ctr-x-a0", "namespace": "ctr-assets", "labels": LABELS},
        "spec": {
            "runtimeRef": {"name": "ctr-pytorch", "kind": "TrainingRuntime"},
            "trainer": {
                "numNodes": 1,
                "numProcPerNode": 1,
                "image": "r/ctr-torch:1",
                "command": ["python", "-m", "ctr_assets.jobs"],
                "args": TRAINING_JOB.arguments,
                "env": [
                    {"name": "DAGSTER_PIPES_CONTEXT", "value": "c"},
                    {"name": "DAGSTER_PIPES_MESSAGES", "value": "m"},
                    {"name": "OMP_NUM_THREADS", "value": "4"},
                ],
                "resourcesPerNode": {
                    "requests": {"cpu": "4000m", "memory": "16384Mi"},
                    "limits": {"memory": "16384Mi"},
                },
            },
            "activeDeadlineSeconds": 86400,
            "runtimePatches": [
                {
                    "manager": "ctr-assets/launcher",
                    "trainingRuntimeSpec": {
                        "template": {
                            "metadata": {"labels": LABELS},
                            "spec": {
                                "replicatedJobs": [{"name": "node", "template": {"spec": {"template": template}}}]
                            },
                        }
                    },
                }
            ],
        },
    }


def rank_pod(train_job: dict[str, Any], rank: int) -> dict[str, Any]:
    """The pod of a rank, as Trainer and JobSet make it of our runtime."""
    job_set = job_set_of(train_job, RUNTIME["spec"])
    job_set["metadata"] |= {"name": train_job["metadata"]["name"], "namespace": "ctr-assets", "uid": "u"}
    return pod_of(job_of(job_set, job_set["spec"]["replicatedJobs"][0]), rank)


SIZES = [PyTorchSettings(), PyTorchSettings(workers=2), FOUR_GPUS]
OF_OPERATOR = {"hostname", "subdomain", "restartPolicy"}


@pytest.mark.parametrize("torch", SIZES)
@pytest.mark.parametrize("cluster", [ClusterSettings(), FULL_CLUSTER], ids=["plain", "full"])
def test_its_pods_are_those_of_a_pytorch_job(torch, cluster):
    """Every setting means the same, whichever kind carries it."""
    made = rank_pod(manifest(torch, cluster), 0)
    master = pytorch_manifest(torch, cluster)["spec"]["pytorchReplicaSpecs"]["Master"]
    pod, expected = made["spec"], master["template"]["spec"]
    assert {key: pod[key] for key in pod.keys() - OF_OPERATOR - {"containers", "volumes"}} == {
        key: expected[key] for key in expected.keys() - {"containers", "volumes"}
    }
    assert sorted(pod["volumes"], key=str) == sorted(expected["volumes"], key=str)
    (container,), (wanted,) = pod["containers"], expected["containers"]
    own = {"name", "env", "ports", "volumeMounts"}
    assert {key: container[key] for key in container.keys() - own} == {key: wanted[key] for key in wanted.keys() - own}
    assert [one for one in container["env"] if one in wanted["env"]] == wanted["env"]
    assert sorted(container["volumeMounts"], key=str) == sorted(wanted["volumeMounts"], key=str)
    assert made["metadata"]["labels"].items() >= master["template"]["metadata"]["labels"].items()


def test_the_labels_are_on_the_train_job_its_job_set_and_its_pods():
    job = manifest(cluster=FULL_CLUSTER)
    assert job["metadata"]["labels"].items() >= {**LABELS, "team": "ctr"}.items()
    assert job_set_of(job, RUNTIME["spec"])["metadata"]["labels"].items() >= LABELS.items()
    assert rank_pod(job, 0)["metadata"]["labels"].items() >= LABELS.items()


def test_a_job_of_a_queue_is_created_suspended_and_only_the_train_job_has_its_label():
    job = manifest(PyTorchSettings(queue="ctr"))
    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ctr"
    assert "kueue.x-k8s.io/queue-name" not in str(job["spec"])
    assert "suspend" not in manifest()["spec"]


def test_nodes_and_processes_are_spelt_out_and_only_training_has_several():
    trainer = manifest(FOUR_GPUS)["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (4, 4)
    alone = manifest(FOUR_GPUS, job=EVALUATION_JOB)["spec"]["trainer"]
    assert (alone["numNodes"], alone["numProcPerNode"]) == (1, 1)


def test_a_spark_job_is_refused():
    with pytest.raises(ValueError, match="encoded_features is no PyTorch job, expected one of wide_deep_model"):
        manifest(job=SPARK_JOB)


def test_a_time_to_live_is_refused():
    with pytest.raises(
        SettingsError, match=r"pytorch.time_to_live_seconds: a TrainJob has none, the sweeper deletes it"
    ):
        manifest(PyTorchSettings(time_to_live_seconds=60))


def test_the_published_schemas_accept_it_and_the_runtime():
    jobs = [TRAINING_JOB, EVALUATION_JOB]
    clusters = [ClusterSettings(), FULL_CLUSTER]
    assert_operators_accept([manifest(t, c, j) for t in SIZES for c in clusters for j in jobs])
    assert_operators_accept([RUNTIME])


def test_our_runtime_fits_and_another_is_told_field_by_field():
    assert problems_of_runtime(RUNTIME, ClusterSettings()) == []
    official = {
        "mlPolicy": {"numNodes": 1, "torch": {}},
        "template": {
            "spec": {
                "replicatedJobs": [
                    {"name": "node", "template": {"spec": {"template": {"spec": {"containers": [{"name": "node"}]}}}}}
                ]
            }
        },
    }
    assert problems_of_runtime({"spec": official}, ClusterSettings()) == [
        "backoffLimit is None, expected 0",
        "restartPolicy is None, expected Never",
        "shareProcessNamespace is None, expected True",
        "imagePullPolicy is None, expected IfNotPresent",
    ]
    told = problems_of_runtime(RUNTIME, ClusterSettings(image_pull_policy="Never"))
    assert told == ["imagePullPolicy is IfNotPresent, expected Never"]


PET = {
    "PET_NNODES": "3",
    "PET_NODE_RANK": "2",
    "PET_NPROC_PER_NODE": "1",
    "PET_MASTER_ADDR": "x-node-0-0.x",
    "PET_MASTER_PORT": "29500",
}
RANK = {"RANK": "2", "WORLD_SIZE": "3", "LOCAL_RANK": "0", "MASTER_ADDR": "x-node-0-0.x", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("environment", "added"),
    [(PET, RANK), ({}, {}), (PET | {"TORCHELASTIC_RUN_ID": "none", "RANK": "5"}, {})],
    ids=["a pod of one rank", "alone", "under torchrun"],
)
def test_a_rank_is_taken_from_torchrun_s_variables(environment, added):
    taken = dict(environment)
    take_rank(taken)
    assert taken == environment | added
