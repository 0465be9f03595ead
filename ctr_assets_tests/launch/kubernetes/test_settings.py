"""Settings are overridden by name, and every mistake is told with the field and what it may be."""

import pytest

from ctr_assets.launch.kubernetes.settings import (
    ClusterSettings,
    KubernetesSettings,
    PyTorchSettings,
    SparkSettings,
    override,
    read_settings,
)
from ctr_assets.problems import SettingsError


@pytest.mark.parametrize("model", [ClusterSettings, SparkSettings, PyTorchSettings])
def test_every_field_says_what_it_is(model):
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("model", [ClusterSettings, SparkSettings, PyTorchSettings])
def test_every_number_has_bounds_and_a_unit_where_it_has_one(model):
    schema = model.model_json_schema()["properties"]
    for name, field in schema.items():
        for kind in field.get("anyOf", [field]):
            if kind.get("type") in ("integer", "number"):
                assert {"minimum", "exclusiveMinimum"} & kind.keys(), name
                assert "maximum" in kind, name
        for unit, said in {"_gib": "GiB", "_seconds": "seconds"}.items():
            assert not name.endswith(unit) or said in field["description"], name


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        SparkSettings().executors = 3


def test_an_override_replaces_fields_and_leaves_the_original():
    settings = SparkSettings(executors=3, spark_conf={"spark.a": "1"})
    changed = override(settings, {"executor_cores": 8, "spark_conf": {"spark.b": 2, "spark.c": True}})
    assert changed == SparkSettings(executors=3, executor_cores=8, spark_conf={"spark.b": "2", "spark.c": "true"})
    assert settings.executor_cores == 4


def test_an_override_changes_a_part_field_by_field():
    settings = KubernetesSettings(cluster=ClusterSettings(namespace="ml"))
    changed = override(settings, {"cluster": {"lost_attempts": 9}, "pytorch": {"workers": 2}})
    assert changed.cluster == ClusterSettings(namespace="ml", lost_attempts=9)
    assert changed.pytorch.workers == 2


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (SparkSettings, {"executor": 3}, "SparkSettings has no field 'executor'; it has image, .*executors"),
        (SparkSettings, {"executors": 0}, r"SparkSettings.executors: .* greater than or equal to 1 \(got 0\)"),
        (SparkSettings, {"executors": "many"}, "SparkSettings.executors: .*valid integer"),
        (SparkSettings, {"driver_memory_gib": float("nan")}, "driver_memory_gib: .*finite"),
        (SparkSettings, {"spark_conf": {"executor.memory": "1g"}}, "'executor.memory' is no Spark property"),
        (SparkSettings, {"spark_conf": {"spark.kubernetes.namespace": "x"}}, "set cluster.namespace"),
        (SparkSettings, {"event_log_url": "/tmp"}, "event_log_url: .*pattern"),
        (SparkSettings, {"driver_core_request": "half"}, "driver_core_request: .*pattern"),
        (SparkSettings, {"dynamic_allocation": True, "queue": "ctr"}, "turn dynamic_allocation off"),
        (
            SparkSettings,
            {"dynamic_allocation": True, "executors": 30},
            r"executors is 30, .* between min_executors \(1\) and max_executors \(10\)",
        ),
        (PyTorchSettings, {"gpus": 2}, "gpus is 2 and processes_per_worker 1: each rank drives one GPU"),
        (PyTorchSettings, {"gpu_type": "nvidia-l4"}, "gpu_type is nvidia-l4 but gpus is 0"),
        (PyTorchSettings, {"memory_gib": 2}, r"shared_memory_gib \(2\) is part of memory_gib \(2\)"),
        (ClusterSettings, {"namespace": "Not_A_Name"}, "namespace: .*pattern"),
        (ClusterSettings, {"labels": {"team": "a/b"}}, "labels.team: .*pattern"),
        (ClusterSettings, {"env": {"A-B": "1"}}, "env.A-B.*pattern"),
        (ClusterSettings, {"env_from_secrets": {"A": {"name": "s"}}}, "env_from_secrets.A.key: Field required"),
        (
            ClusterSettings,
            {"env": {"A": "1"}, "env_from_secrets": {"A": {"name": "s", "key": "k"}}},
            "A: in env and in env_from_secrets; keep one",
        ),
        (ClusterSettings, {"secret_mounts": {"s": "relative"}}, "secret_mounts.s: .*pattern"),
        (ClusterSettings, {"pending_limit_seconds": 0}, "pending_limit_seconds: .*greater than or equal to 1"),
        (KubernetesSettings, {"cluster": {"name": "x"}}, "ClusterSettings has no field 'name'"),
        (KubernetesSettings, {"sparks": {}}, "it has cluster, spark, pytorch"),
        (KubernetesSettings, {"spark": 3}, "expected fields and their values, got 3"),
    ],
)
def test_a_mistake_names_the_field_and_the_cure(model, changes, message):
    with pytest.raises(SettingsError, match=message):
        override(model(), changes)


def test_every_mistake_is_told_at_once():
    with pytest.raises(SettingsError, match=r"executors: .*; SparkSettings.executor_cores: "):
        override(SparkSettings(), {"executors": 0, "executor_cores": 0})


def test_a_settings_file_is_read(tmp_path):
    (tmp_path / "settings.yaml").write_text("spark:\n  executors: 7\ncluster:\n  env: {A: x}\n")
    settings = read_settings(tmp_path / "settings.yaml")
    assert settings.spark.executors == 7
    assert settings.cluster.env == {"A": "x"}


def test_an_empty_settings_file_keeps_the_defaults(tmp_path):
    (tmp_path / "settings.yaml").write_text("# nothing\n")
    assert read_settings(tmp_path / "settings.yaml") == KubernetesSettings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("spark: {", "settings.yaml cannot be read as YAML"),
        ("- spark", "settings.yaml: expected fields and their values"),
        ("spark: {x: 1}", "settings.yaml: SparkSettings has no field 'x'"),
    ],
)
def test_a_bad_settings_file_is_named(tmp_path, content, message):
    (tmp_path / "settings.yaml").write_text(content)
    with pytest.raises(SettingsError, match=message):
        read_settings(tmp_path / "settings.yaml")


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read"):
        read_settings(tmp_path / "absent.yaml")
