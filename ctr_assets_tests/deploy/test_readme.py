"""The guide's commands, as far as they can be checked without a cluster: options, files, names, settings."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from ctr_assets.launch.__main__ import main as render
from ctr_assets.launch.kubernetes.settings import KubernetesSettings, override
from ctr_assets_tests.deploy.files import DEPLOY, KUBECTL, ROOT, images, rendered, values

GUIDE = (DEPLOY / "README.md").read_text()
BLOCKS = re.findall(r"^( *)```(\w+)\n(.*?)^\1```", GUIDE, re.MULTILINE | re.DOTALL)
SHELL = [text for _, language, text in BLOCKS if language == "sh"]
YAML = [text for _, language, text in BLOCKS if language == "yaml"]
COMMANDS = [
    line.strip()
    for text in SHELL
    for line in text.replace("\\\n", " ").splitlines()
    if line.strip() and not line.strip().startswith("#")
]


@pytest.mark.parametrize("text", SHELL)
def test_a_block_is_shell(text):
    run = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?<![\w/])(?:deploy|docker)/[\w./-]+", "\n".join(COMMANDS)))))
def test_every_file_that_a_command_names_is_there(path):
    assert (ROOT / path.replace("$image", "spark")).exists()


def test_versions_are_those_of_images_env():
    pinned = images()
    versions = dict(re.findall(r"helm upgrade --install ([\w-]+) \S+ --version (\S+)", "\n".join(COMMANDS)))
    assert versions == {"dagster": pinned["DAGSTER_CHART"], "spark-operator": pinned["SPARK_OPERATOR_CHART"]}
    assert set(re.findall(r"ctr-assets-[\w$-]+:([\d.]+)", "\n".join(COMMANDS))) == {pinned["TAG"]}


def test_what_is_waited_for_and_forwarded_is_what_the_overlay_makes():
    made = {f"{o['kind'].lower()}/{o['metadata']['name']}" for o in rendered("kind")}
    waited = re.findall(r"(?:deployment|job|service)/[\w-]+", "\n".join(COMMANDS))
    of_charts = (
        *("deployment/training-operator", "deployment/dagster-daemon"),
        *("deployment/kubeflow-trainer-controller-manager", "deployment/jobset-controller-manager"),
    )
    assert set(waited) - set(of_charts) <= made
    port = values("dagster-values.yaml")["dagsterWebserver"]["service"]["port"]
    assert set(re.findall(r"webserver -o name\)\" 3000:(\d+)", GUIDE)) == {str(port)}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("kubectl")])
def test_kubectl_knows_every_option(command):
    """``--help`` of the same subcommand lists each."""
    words = re.split(r"\s\|\s", command)[0].split()
    subcommand = [word for word in words[1:] if not word.startswith("-")]
    flags = {word.split("=")[0] for word in words if word.startswith("--")}
    if words[1] == "-n":
        subcommand = subcommand[1:]
    if subcommand[0] in ("create", "rollout"):
        kinds = {"create": ["namespace", "secret"], "rollout": ["status"]}
        part = next((kind for kind in kinds[subcommand[0]] if kind in subcommand), "")
        ask = [subcommand[0], *filter(None, [part, "generic" if part == "secret" else ""])]
    else:
        ask = subcommand[:1]
    told = subprocess.run([str(KUBECTL), *ask, "--help"], capture_output=True, text=True).stdout
    told += subprocess.run([str(KUBECTL), "options"], capture_output=True, text=True).stdout
    assert all(flag in told for flag in flags), (ask, flags)


BY_HAND = [command for command in COMMANDS if "ctr_assets.launch render" in command]


@pytest.mark.parametrize(("command", "kind"), [*zip(BY_HAND, ("SparkApplication", "TrainJob"), strict=True)])
def test_the_job_that_is_run_by_hand_renders(command, kind, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    quoted = re.findall(r"'([^']*)'|(\S+)", command.split(" | ")[0])
    words = [one or other for one, other in quoted]
    assert render(words[3:]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == kind


def test_the_settings_of_the_kueue_part_are_settings():
    (settings,) = (yaml.safe_load(text) for text in YAML if text.startswith("spark:"))
    read = override(KubernetesSettings(), settings)
    assert (read.spark.queue, read.pytorch.queue) == ("ctr", "ctr")


def test_the_stated_limits_are_the_codes():
    cluster = KubernetesSettings().cluster
    assert f"`cluster.lost_attempts` times ({cluster.lost_attempts})" in GUIDE
    assert f"`cluster.quota_limit_seconds` ({cluster.quota_limit_seconds // 3600} hours)" in GUIDE
    launcher = yaml.safe_load(Path(DEPLOY / "kubernetes" / "dagster.yaml").read_text())["run_launcher"]["config"]
    assert f"taken to live for {launcher['unanswered_minutes']} (`unanswered_minutes`)" in GUIDE
    assert f"tried again for {launcher['launch_minutes']} (`launch_minutes`)" in GUIDE
