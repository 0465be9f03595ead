"""Launchers on a fake cluster whose operators really run the scripted job as a process."""

from dataclasses import replace
from pathlib import Path

import yaml

from ctr_assets.launch.kubernetes.launcher import PyTorchLauncher, SparkLauncher
from ctr_assets_tests.launch import scripted_job

NAMESPACE = "ctr-assets"


class ScriptedSparkLauncher(SparkLauncher):
    """The launcher itself; its driver runs the scripted job."""

    def manifest(self, job, name, labels, environment):
        manifest = super().manifest(replace(job, name="encoded_features"), name, labels, environment)
        manifest["spec"]["mainApplicationFile"] = f"local://{Path(scripted_job.__file__).absolute()}"
        return manifest


class ScriptedPyTorchLauncher(PyTorchLauncher):
    """The launcher itself; its pods run the scripted job."""

    def manifest(self, job, name, labels, environment):
        manifest = super().manifest(job, name, labels, environment)
        for replica in manifest["spec"]["pytorchReplicaSpecs"].values():
            replica["template"]["spec"]["containers"][0]["command"] = [
                "python", "-m", "ctr_assets_tests.launch.scripted_job",
            ]  # fmt: skip
        return manifest


KINDS = {"spark": ScriptedSparkLauncher, "pytorch": ScriptedPyTorchLauncher}


def launcher_of(kind: str, server, folder: Path, bucket: str, cluster=None, **parts):
    """A launcher of one kind against a fake API server and a bucket of the GCS emulator."""
    settings = folder / "settings.yaml"
    content = {"cluster": {"namespace": NAMESPACE, **(cluster or {})}, "pytorch": {"workers": 0}, **parts}
    settings.write_text(yaml.safe_dump(content))
    return KINDS[kind](
        settings_file=str(settings),
        messages_url=f"gs://{bucket}/pipes",
        kubeconfig=str(server.kubeconfig(folder / "kubeconfig", NAMESPACE)),
    )
