"""The PyTorchJob, line by line, against the operator's schema, and its command under the operator's environment."""

import os
import subprocess
import sys

import kubernetes_validate
import pytest

from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job
from ctr_assets.launch.kubernetes.settings import ClusterSettings, PyTorchSettings, SecretKey, Toleration
from ctr_assets.launch.kubernetes.torch_pod import command
from ctr_assets_tests.launch.kubernetes.manifests import (
    EVALUATION_JOB,
    LABELS,
    PIPES,
    SPARK_JOB,
    TRAINING_JOB,
    assert_operators_accept,
    env_of,
)

FOUR_GPUS = PyTorchSettings(
    workers=3,
    gpus=4,
    processes_per_worker=4,
    gpu_type="nvidia-l4",
    cpu=32,
    memory_gib=120,
    shared_memory_gib=16,
    spot=True,
    queue="ctr",
)
FULL_CLUSTER = ClusterSettings(
    namespace="ml",
    labels={"team": "ctr"},
    node_selector={"pool": "jobs"},
    tolerations=(Toleration(key="jobs", operator="Exists"),),
    env={"LEVEL": "debug"},
    env_from_secrets={"TOKEN": SecretKey(name="tokens", key="ctr")},
    secret_mounts={"certificates": "/etc/certificates"},
    image_pull_secrets=("registry",),
    storage_emulator_url="http://gcs:4443",
)


def manifest(torch=None, cluster=None, job=TRAINING_JOB):
    return pytorch_job(
        job, "ctr-x-a0", LABELS, PIPES, cluster or ClusterSettings(), torch or PyTorchSettings(image="r/ctr-torch:1")
    )


def pod_of(job_manifest, role="Master"):
    return job_manifest["spec"]["pytorchReplicaSpecs"][role]["template"]["spec"]


def container_of(job_manifest, role="Master"):
    (container,) = pod_of(job_manifest, role)["containers"]
    return container


def test_the_defaults_line_by_line():
    assert manifest() == {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": "ctr-x-a0", "namespace": "ctr-assets", "labels": LABELS},
        "spec": {
            "runPolicy": {
                "cleanPodPolicy": "Running",
                "ttlSecondsAfterFinished": 3600,
                "activeDeadlineSeconds": 86400,
            },
            "pytorchReplicaSpecs": {
                "Master": {
                    "replicas": 1,
                    "restartPolicy": "Never",
                    "template": {
                        "metadata": {"labels": LABELS},
                        "spec": {
                            "serviceAccountName": "ctr-pytorch",
                            "shareProcessNamespace": True,
                            "containers": [
                                {
                                    "name": "pytorch",
                                    "image": "r/ctr-torch:1",
                                    "imagePullPolicy": "IfNotPresent",
                                    "command": ["python", "-m", "ctr_assets.jobs"],
                                    "args": [
                                        "wide_deep_model",
                                        "--params",
                                        '{"day": "2014-10-30", "store_url": "gs://b/store"}',
                                    ],
                                    "env": [
                                        {"name": "DAGSTER_PIPES_CONTEXT", "value": "c"},
                                        {"name": "DAGSTER_PIPES_MESSAGES", "value": "m"},
                                        {"name": "OMP_NUM_THREADS", "value": "4"},
                                    ],
                                    "resources": {
                                        "requests": {"cpu": "4000m", "memory": "16384Mi"},
                                        "limits": {"memory": "16384Mi"},
                                    },
                                    "securityContext": {
                                        "allowPrivilegeEscalation": False,
                                        "capabilities": {"drop": ["ALL"]},
                                        "runAsNonRoot": True,
                                        "seccompProfile": {"type": "RuntimeDefault"},
                                    },
                                    "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
                                }
                            ],
                            "volumes": [
                                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2048Mi"}},
                            ],
                        },
                    },
                }
            },
        },
    }


def test_workers_are_as_the_master_and_never_restart():
    replicas = manifest(PyTorchSettings(workers=2))["spec"]["pytorchReplicaSpecs"]
    assert replicas["Master"]["replicas"] == 1
    assert replicas["Worker"]["replicas"] == 2
    assert replicas["Master"]["template"] == replicas["Worker"]["template"]
    assert replicas["Master"]["template"] is not replicas["Worker"]["template"]
    assert {role["restartPolicy"] for role in replicas.values()} == {"Never"}


def test_gpus_are_limits_with_their_node_and_taint():
    job = manifest(FOUR_GPUS)
    for role in ("Master", "Worker"):
        assert container_of(job, role)["resources"] == {
            "requests": {"cpu": "32000m", "memory": "122880Mi", "nvidia.com/gpu": 4},
            "limits": {"memory": "122880Mi", "nvidia.com/gpu": 4},
        }
        assert pod_of(job, role)["nodeSelector"] == {
            "cloud.google.com/gke-spot": "true",
            "cloud.google.com/gke-accelerator": "nvidia-l4",
        }
        assert pod_of(job, role)["tolerations"] == [
            {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        ]
    assert pod_of(job)["volumes"][0]["emptyDir"]["sizeLimit"] == "16384Mi"


def test_several_ranks_in_a_pod_go_through_torchrun():
    job = manifest(FOUR_GPUS)
    assert job["spec"]["nprocPerNode"] == "4"
    assert container_of(job)["command"] == [
        "python",
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=4",
        "-m",
        "ctr_assets.jobs",
    ]
    assert env_of(container_of(job))["OMP_NUM_THREADS"] == "8"
    assert "nprocPerNode" not in manifest()["spec"]


def test_only_training_gets_ranks():
    job = manifest(FOUR_GPUS, job=EVALUATION_JOB)
    assert set(job["spec"]["pytorchReplicaSpecs"]) == {"Master"}
    assert container_of(job)["command"] == ["python", "-m", "ctr_assets.jobs"]
    assert container_of(job)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod_of(job)["nodeSelector"]["cloud.google.com/gke-accelerator"] == "nvidia-l4"
    assert "nprocPerNode" not in job["spec"]


def test_the_deployment_may_set_the_threads():
    assert env_of(container_of(manifest(cluster=ClusterSettings(env={"OMP_NUM_THREADS": "1"}))))["OMP_NUM_THREADS"] == (
        "1"
    )


def test_an_emulator_is_told_to_the_storage_clients():
    env = env_of(container_of(manifest(cluster=FULL_CLUSTER)))
    assert env["STORAGE_EMULATOR_HOST"] == "http://gcs:4443"
    assert env["GOOGLE_CLOUD_PROJECT"] == "test"
    assert env["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] == "false"


def test_a_real_bucket_needs_no_environment_but_the_project():
    env = env_of(container_of(manifest(cluster=ClusterSettings(google_cloud_project="p"))))
    assert env == {**PIPES, "OMP_NUM_THREADS": "4", "GOOGLE_CLOUD_PROJECT": "p"}


def test_secrets_are_named_and_mounted_read_only():
    job = manifest(cluster=FULL_CLUSTER)
    assert env_of(container_of(job))["TOKEN"] == {"secretKeyRef": {"name": "tokens", "key": "ctr"}}
    assert container_of(job)["volumeMounts"][1] == {
        "name": "secret-0",
        "mountPath": "/etc/certificates",
        "readOnly": True,
    }
    assert pod_of(job)["volumes"][1] == {"name": "secret-0", "secret": {"secretName": "certificates"}}
    assert pod_of(job)["imagePullSecrets"] == [{"name": "registry"}]


def test_a_job_of_a_queue_is_created_suspended_and_its_label_is_not_its_pods():
    job = manifest(PyTorchSettings(queue="ctr"))
    assert job["spec"]["runPolicy"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ctr"
    replica = job["spec"]["pytorchReplicaSpecs"]["Master"]
    assert "kueue.x-k8s.io/queue-name" not in replica["template"]["metadata"]["labels"]
    assert "suspend" not in manifest()["spec"]["runPolicy"]


def test_a_spark_job_is_refused():
    with pytest.raises(ValueError, match="encoded_features is no PyTorch job, expected one of wide_deep_model"):
        manifest(job=SPARK_JOB)


@pytest.mark.parametrize("torch", [PyTorchSettings(), PyTorchSettings(workers=1), FOUR_GPUS])
@pytest.mark.parametrize("cluster", [ClusterSettings(), FULL_CLUSTER], ids=["plain", "full"])
def test_every_pod_is_a_valid_pod(torch, cluster):
    job = manifest(torch, cluster)
    for role in job["spec"]["pytorchReplicaSpecs"].values():
        metadata = {"name": "x", **role["template"]["metadata"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": role["template"]["spec"]}
        kubernetes_validate.validate(pod, "1.36", strict=True)


def test_the_published_schema_accepts_it():
    sizes = [PyTorchSettings(), PyTorchSettings(workers=2), FOUR_GPUS]
    jobs = [TRAINING_JOB, EVALUATION_JOB]
    clusters = [ClusterSettings(), FULL_CLUSTER]
    assert_operators_accept([manifest(t, c, j) for t in sizes for c in clusters for j in jobs])


def test_the_command_gives_every_rank_its_number_under_the_operators_environment(tmp_path):
    """Two pods of two ranks, with the variables that the operator injects: ranks 0 to 3 of 4, each once."""
    package = tmp_path / "ctr_assets" / "jobs"
    package.mkdir(parents=True)
    (tmp_path / "ctr_assets" / "__init__.py").touch()
    (package / "__init__.py").touch()
    probe = "import os, pathlib, sys\npathlib.Path(os.environ['OUT'], os.environ['RANK']).write_text("
    probe += "' '.join([os.environ['WORLD_SIZE'], os.environ['LOCAL_RANK'], *sys.argv[1:]]))\n"
    (package / "__main__.py").write_text(probe)
    line = [sys.executable, *command(PyTorchSettings(processes_per_worker=2))[1:], "wide_deep_model"]
    out = tmp_path / "out"
    out.mkdir()
    master = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}
    nodes = []
    for node in range(2):
        injected = {
            **{"WORLD_SIZE": "4", "RANK": str(node), "PET_NODE_RANK": str(node), "PET_NNODES": "2"},
            **{"PET_NPROC_PER_NODE": "2", **master, **{f"PET_{name}": value for name, value in master.items()}},
        }
        environment = {**os.environ, **injected, "OUT": str(out), "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
        nodes.append(subprocess.Popen(line, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True))
    for started in nodes:
        _, said = started.communicate(timeout=60)
        assert started.returncode == 0, said
    ranks = {path.name: path.read_text() for path in out.iterdir()}
    assert ranks == {
        "0": "4 0 wide_deep_model",
        "1": "4 1 wide_deep_model",
        "2": "4 0 wide_deep_model",
        "3": "4 1 wide_deep_model",
    }
