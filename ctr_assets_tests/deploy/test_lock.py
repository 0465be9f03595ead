"""The lock fits pyproject.toml, says the hash of every file, and is what this environment is made of. Asks no index."""

import re
import tomllib
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ctr_assets_tests.deploy.files import LOCK, LOCKED, ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OVERRULED = {name["name"]: name["requires-dist"] for name in PYPROJECT["tool"]["uv"]["dependency-metadata"]}
TORCH_CPU = {
    "2.13.0": {
        "cp311-x86_64": "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
        "cp311-aarch64": "84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7",
        "cp312-x86_64": "4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2",
        "cp312-aarch64": "6f307c2c32d764ffc6ff6893b801fad6d4752f3e67966cb8abf1843427c02604",
        "cp313-x86_64": "3fbf9c9d1f3c10c2d59d04aca426dee9ccc6ceb32d255c61e93acc3b4f75fae6",
        "cp313-aarch64": "0b8f7d0423027ae8b90c7977c627f3379f325363a08224dffad9b4b2d684a83d",
    }
}
"""SHA-256 of PyTorch's CPU builds for Linux, by version. They are on PyTorch's own index, where ``make lock`` does not
look; it keeps them for as long as the version stays."""


def stated():
    """Every requirement of pyproject.toml: the package's, its extras', its groups' and the build's."""
    project = PYPROJECT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
        PYPROJECT["build-system"]["requires"],
    ]
    requirements = [Requirement(text) for each in lists for text in each]
    return [requirement for requirement in requirements if requirement.name != project["name"]]


@pytest.mark.parametrize("requirement", stated(), ids=str)
def test_what_is_required_is_locked(requirement):
    version = LOCKED.get(canonicalize_name(requirement.name))
    assert version is not None, "make lock"
    assert requirement.specifier.contains(version), "make lock"


def test_the_lock_names_versions_and_hashes_and_no_place():
    entries = re.findall(r"^[\w.-]+==\S+(?: ; [^\\\n]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", LOCK, re.M)
    comments = re.findall(r"^#.*\n", LOCK, re.M)
    assert "".join([*comments, *entries]) == LOCK
    # A package has two versions where its newest no longer takes the oldest Python.
    assert {entry.partition("==")[0] for entry in entries} == LOCKED.keys()


def required(name, extras):
    """(package, extras) that an installed package requires here."""
    texts = OVERRULED.get(canonicalize_name(name), distribution(name).requires or [])
    for requirement in map(Requirement, texts):
        if any(requirement.marker is None or requirement.marker.evaluate({"extra": e}) for e in extras or {""}):
            yield requirement.name, frozenset(requirement.extras)


def test_this_environment_is_the_locks():
    waiting, seen = [("ctr-assets", frozenset({"dev", "laptop", "serving"}))], set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) not in seen:
            seen.add((name, extras))
            waiting += required(name, extras)
    installed = {canonicalize_name(name): distribution(name).version for name, _ in seen if name != "ctr-assets"}
    assert len(installed) > 150
    public = {name: Version(version).public for name, version in installed.items()}
    assert {name: (version, LOCKED.get(name)) for name, version in public.items() if version != LOCKED.get(name)} == {}


def test_pytorchs_cpu_builds_are_locked_beside_pypis():
    (hashes,) = re.findall(rf"^torch=={LOCKED['torch']} \\\n((?: .*\n)+)", LOCK, re.MULTILINE)
    assert LOCKED["torch"] in TORCH_CPU, (
        "torch is another version: take its hashes from https://download.pytorch.org/whl/cpu/torch/, put them into "
        "its entry of requirements.lock and in here"
    )
    for build, sha256 in TORCH_CPU[LOCKED["torch"]].items():
        assert f"--hash=sha256:{sha256}" in hashes, build
