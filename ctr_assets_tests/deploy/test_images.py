"""docker/images.env is the one place of image names and tags: everything else says the same."""

import re
import tomllib

import pytest
import yaml

import ctr_assets
from ctr_assets.launch.kubernetes.settings import PyTorchSettings, SparkSettings, read_settings
from ctr_assets_tests.deploy.files import (
    DEPLOY,
    DOCKER,
    LOCKED,
    OVERLAYS,
    ROOT,
    image_references,
    images,
    rendered,
    values,
)

IMAGES = images()
OURS = {IMAGES[key]: IMAGES["TAG"] for key in ("CODE_SERVER_IMAGE", "SPARK_IMAGE", "PYTORCH_IMAGE", "SERVING_IMAGE")}
THEIRS = dict(IMAGES[key].rsplit(":", 1) for key in ("POSTGRES_IMAGE", "FAKE_GCS_IMAGE", "PYTHON_IMAGE"))


def used_images():
    files = [*DEPLOY.rglob("settings.yaml"), *(DEPLOY / "jobs").glob("*.yaml")]
    for file in sorted(files):
        yield from ((str(file.relative_to(ROOT)), i) for i in image_references(yaml.safe_load(file.read_text())))
    for overlay in OVERLAYS:
        yield from ((f"overlay {overlay}", i) for i in image_references(rendered(overlay)))
    for name in ("dagster-values.yaml", "dagster-values-kind.yaml"):
        for deployment in values(name)["dagster-user-deployments"]["deployments"]:
            yield name, f"{deployment['image']['repository']}:{deployment['image']['tag']}"


@pytest.mark.parametrize(("place", "image"), sorted(set(used_images())))
def test_every_image_and_tag_is_the_one_place_s(place, image):
    name, _, tag = image.rpartition(":")
    known = OURS | THEIRS
    short = name.rsplit("/", 1)[-1]
    assert known.get(name, known.get(short)) == tag, f"{place} says {image}, docker/images.env otherwise"


def test_the_defaults_of_the_code_are_the_images_without_a_registry():
    assert SparkSettings().image == f"{IMAGES['SPARK_IMAGE']}:{IMAGES['TAG']}"
    assert PyTorchSettings().image == f"{IMAGES['PYTORCH_IMAGE']}:{IMAGES['TAG']}"


def test_the_tag_is_the_packages_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert IMAGES["TAG"] == project["version"] == ctr_assets.__version__


@pytest.mark.parametrize("key", IMAGES)
def test_every_image_is_pinned_to_a_version(key):
    value = IMAGES[key]
    if key.endswith("_IMAGE") and value not in OURS:
        tag = value.rsplit(":", 1)[1]
        assert re.search(r"\d+\.\d+", tag), f"{value} is not pinned to a version"
    assert "latest" not in value


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_settings_file_is_one(overlay):
    settings = read_settings(DEPLOY / "kustomize" / "overlays" / overlay / "settings.yaml")
    assert settings.cluster.namespace == "ctr-assets"


def test_charts_and_operators_are_the_recorded_versions():
    assert LOCKED["dagster"] == IMAGES["DAGSTER_CHART"]
    assert f"--version {IMAGES['DAGSTER_CHART']} " in (DEPLOY / "helm/dagster-values.yaml").read_text()
    assert f"--version {IMAGES['SPARK_OPERATOR_CHART']} " in (DEPLOY / "helm/spark-operator-values.yaml").read_text()
    for operator, version in (("training-operator", "TRAINING_OPERATOR"), ("trainer", "TRAINER")):
        installed = yaml.safe_load((DEPLOY / "kustomize" / operator / "kustomization.yaml").read_text())
        assert [resource.rsplit("?ref=")[1] for resource in installed["resources"]] == [IMAGES[version]]


def test_the_readmes_commands_have_the_same_versions():
    readme = (DEPLOY / "README.md").read_text()
    versions = re.findall(r"--version (\S+)", readme)
    assert versions
    assert set(versions) <= {IMAGES["DAGSTER_CHART"], IMAGES["SPARK_OPERATOR_CHART"]}
    assert set(re.findall(r"ctr-assets-[a-z-]+:([\w.]+)", readme)) == {IMAGES["TAG"]}


def test_the_spark_version_is_the_one_installed():
    assert LOCKED["pyspark"] == SparkSettings().spark_version


def test_dockerfiles_and_images_match_one_to_one():
    files = {f"ctr-assets-{path.name.removesuffix('.Dockerfile')}" for path in DOCKER.glob("*.Dockerfile")}
    assert files == set(OURS)
