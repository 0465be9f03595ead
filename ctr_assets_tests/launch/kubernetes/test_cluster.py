"""The code path of a real cluster, taken against the fake one: only the environment tells it where to go."""

import pytest

from ctr_assets.launch.kubernetes.settings import read_settings
from ctr_assets_tests.launch.kubernetes.cluster import REPOSITORY, apply_runtime, missing_variables, real_cluster
from ctr_assets_tests.launch.kubernetes.leftovers import nothing_left_behind
from ctr_assets_tests.launch.scripted import DAYS, materialize, materialized


@pytest.fixture
def environ(fake, api_server, gcs, tmp_path):
    """What a person would set, for the fake cluster. Its images are this checkout."""
    apply_runtime(api_server, "elsewhere")
    settings = tmp_path / "given.yaml"
    settings.write_text("spark: {service_account: my-spark, executors: 7}\n")
    return {
        "KUBECONFIG": fake.kubeconfig,
        "CTR_TEST_NAMESPACE": "elsewhere",
        "CTR_TEST_KINDS": "spark,pytorch,trainjob",
        "CTR_TEST_MESSAGES_URL": f"{gcs.uri}/real/",
        "CTR_TEST_IMAGE_SPARK": "registry.example/spark:1",
        "CTR_TEST_IMAGE_PYTORCH": "registry.example/pytorch:1",
        "CTR_TEST_CODE_FOLDER": str(REPOSITORY),
        "CTR_TEST_SETTINGS": str(settings),
    }


def test_jobs_run_where_the_environment_says_and_nothing_is_left(environ, kind, processes, instance, tmp_path):
    cluster = real_cluster(environ, tmp_path)
    with nothing_left_behind(cluster, processes):
        assert materialize(cluster.launcher(kind), instance, notes_url=cluster.notes.url).success
        assert materialized(instance) == set(DAYS)
        assert cluster.notes.runs() == [0]
        (resource,) = cluster.resources(kind)
        assert resource["metadata"]["namespace"] == "elsewhere"
        engine = "spark" if kind == "spark" else "pytorch"
        assert f"registry.example/{engine}:1" in str(resource["spec"])


def test_two_tests_on_one_cluster_do_not_see_each_other_s_resources(environ, kind, processes, instance, tmp_path):
    one, other = (real_cluster(environ, tmp_path) for _ in range(2))
    with nothing_left_behind(one, processes):
        assert materialize(one.launcher(kind), instance).success
        assert len(one.resources(kind)) == 1
        with nothing_left_behind(other, processes):
            assert (other.resources(kind), other.messages()) == ([], [])
        assert len(one.resources(kind)) == 1
        assert one.messages() != []


def test_given_settings_are_kept_where_the_tests_need_nothing_else(environ, tmp_path):
    settings = read_settings(real_cluster(environ, tmp_path).connection()["settings_file"])
    assert (settings.spark.service_account, settings.spark.executors) == ("my-spark", 1)


@pytest.mark.parametrize("overlay", ["gke", "kind"])
def test_the_settings_of_our_own_overlays_can_be_given(environ, tmp_path, overlay):
    environ["CTR_TEST_SETTINGS"] = str(REPOSITORY / "deploy" / "kustomize" / "overlays" / overlay / "settings.yaml")
    settings = read_settings(real_cluster(environ, tmp_path).connection()["settings_file"])
    assert (settings.pytorch.gpus, settings.pytorch.image) == (0, "registry.example/pytorch:1")
    assert settings.cluster.namespace == "elsewhere"


def test_without_an_image_or_a_bucket_there_is_no_cluster(environ):
    assert missing_variables(environ) == []
    del environ["CTR_TEST_IMAGE_SPARK"]
    environ["CTR_TEST_MESSAGES_URL"] = ""
    assert missing_variables(environ) == ["CTR_TEST_MESSAGES_URL", "CTR_TEST_IMAGE_SPARK"]
