"""The whole graph as it runs on a cluster: every job a custom resource, every table and model on ``gs://``.

The API server and the operators are the fakes that are held to recordings; they really run each job's entry point as
a process, which reads and writes the GCS emulator and reports through Pipes over it.
"""

import shlex
import time
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ctr_assets.demo.generate import generate
from ctr_assets.launch.java import class_archive_option
from ctr_assets.launch.kubernetes.engines import PyTorchLauncher, SparkLauncher, TrainJobLauncher
from ctr_assets.launch.kubernetes.spark_conf import gcs_conf
from ctr_assets.storage import Store
from ctr_assets_tests.kubernetes.fixtures import api_server, gcs, gcs_emulator, operator
from ctr_assets_tests.launch.kubernetes.cluster import apply_runtime
from ctr_assets_tests.materializing import MODELS, TABLES, Graph

__all__ = ["api_server", "gcs", "gcs_emulator", "operator"]

DAYS = ["2014-10-21", "2014-10-22"]
SMALL = {"wide_deep_model": {"epochs": 1, "batch_size": 256}, "gbt_baseline": {"max_iter": 2, "max_depth": 3}}


def submit_arguments(emulator_url):
    """What the image and the application's sparkConf give a driver on a cluster: the connector and how it is set.

    And what a JVM of a few seconds needs to be one: classes from a file, no compiling for a long life.
    """
    package = find_spec("pyspark_gcs")
    assert package is not None
    assert package.origin is not None
    (jar,) = Path(package.origin).parent.glob("jars/gcs-connector-*-shaded.jar")
    conf = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.extraJavaOptions": f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {class_archive_option()}",
        **gcs_conf(emulator_url),
    }
    settings = [f"--conf {shlex.quote(f'{key}={value}')}" for key, value in conf.items()]
    return " ".join([f"--jars {jar}", *settings, "pyspark-shell"])


@pytest.fixture(params=[(PyTorchLauncher, 0), (TrainJobLauncher, 1)], ids=["PyTorchJobs", "TrainJobs of two ranks"])
def launchers(request, api_server, operator, gcs, tmp_path, monkeypatch):
    torch_launcher, workers = request.param
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", submit_arguments(gcs.environment["STORAGE_EMULATOR_HOST"]))
    settings = tmp_path / "settings.yaml"
    cluster = {"namespace": "ctr", "storage_emulator_url": gcs.environment["STORAGE_EMULATOR_HOST"]}
    settings.write_text(yaml.safe_dump({"cluster": cluster, "pytorch": {"workers": workers, "cpu": 1}}))
    apply_runtime(api_server, "ctr")
    common = {
        "settings_file": str(settings),
        "messages_url": f"{gcs.uri}/pipes",
        "kubeconfig": str(api_server.kubeconfig(tmp_path / "kubeconfig", "ctr")),
    }
    return {"spark_launcher": SparkLauncher(**common), "pytorch_launcher": torch_launcher(**common)}


@pytest.mark.minutes
@pytest.mark.timeout(600)
def test_every_asset_is_materialized_on_gcs_and_nothing_is_left_behind(launchers, gcs, tmp_path):
    generate(rows=6_000, landing=tmp_path / "landing", truth=tmp_path / "truth", days=2)
    store = Store(f"{gcs.uri}/store")
    store.fs.put(str(tmp_path / "landing"), f"{gcs.name}/landing", recursive=True)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        graph = Graph(f"{gcs.uri}/landing", f"{gcs.uri}/store", instance, launchers)
        graph.materialize(*TABLES, first=DAYS[0], last=DAYS[1])
        graph.materialize(*MODELS, first=DAYS[0], config=SMALL)
        graph.materialize("champion_model")
        for asset in TABLES:
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(DAYS)
        assert sum(graph.metadata("raw_impressions", day)["dagster/row_count"] for day in DAYS) == 6_000
        assert graph.metadata("evaluation_metrics", DAYS[0])["next_day"] == DAYS[1]
        assert (
            store.manifest("wide_deep_model", DAYS[0]).version == graph.metadata("wide_deep_model", DAYS[0])["version"]
        )
        swept = [o for launcher in launchers.values() for o in launcher.sweep(instance, now=time.time() + 3600)]
        assert len(swept) == len(TABLES) + len(MODELS) + 1
    assert [launcher.client().find("") for launcher in launchers.values()] == [[], []]
    assert not store.fs.exists(f"{gcs.name}/pipes")
