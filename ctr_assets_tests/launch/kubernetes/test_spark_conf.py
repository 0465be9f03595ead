"""Spark's properties, line by line."""

import pytest

from ctr_assets.launch.kubernetes.settings import SparkSettings
from ctr_assets.launch.kubernetes.spark_conf import gcs_conf, spark_conf


def test_the_connector_is_given_numbers_it_can_read():
    assert gcs_conf() == {
        "spark.hadoop.fs.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFS",
        "spark.hadoop.fs.gs.block.size": "67108864",
        "spark.hadoop.fs.gs.outputstream.buffer.size": "8388608",
        "spark.hadoop.fs.gs.inputstream.inplace.seek.limit": "8388608",
        "spark.hadoop.fs.gs.inputstream.min.range.request.size": "2097152",
    }


@pytest.mark.parametrize("url", ["http://gcs:4443", "http://gcs:4443/"])
def test_an_emulator_is_asked_without_credentials(url):
    assert gcs_conf(url) == {
        **gcs_conf(),
        "spark.hadoop.fs.gs.storage.root.url": "http://gcs:4443/",
        "spark.hadoop.fs.gs.auth.service.account.enable": "false",
        "spark.hadoop.fs.gs.auth.null.enable": "true",
    }


@pytest.mark.parametrize(
    ("settings", "adds"),
    [
        ({}, {}),
        (
            {"event_log_url": "gs://b/events"},
            {"spark.eventLog.enabled": "true", "spark.eventLog.dir": "gs://b/events"},
        ),
        (
            {"spot_executors": True},
            {
                "spark.decommission.enabled": "true",
                "spark.storage.decommission.enabled": "true",
                "spark.storage.decommission.shuffleBlocks.enabled": "true",
            },
        ),
        (
            {"local_disk_gib": 50},
            {
                "spark.kubernetes.driver.volumes.emptyDir.spark-local-dir-1.mount.path": "/var/data",
                "spark.kubernetes.driver.volumes.emptyDir.spark-local-dir-1.options.sizeLimit": "50Gi",
                "spark.kubernetes.executor.volumes.emptyDir.spark-local-dir-1.mount.path": "/var/data",
                "spark.kubernetes.executor.volumes.emptyDir.spark-local-dir-1.options.sizeLimit": "50Gi",
            },
        ),
        ({"spark_conf": {"spark.speculation": True}}, {"spark.speculation": "true"}),
        (
            {"spark_conf": {"spark.hadoop.fs.gs.block.size": 1}},
            {"spark.hadoop.fs.gs.block.size": "1"},
        ),
    ],
)
def test_each_setting_adds_its_lines_and_the_settings_own_win(settings, adds):
    assert spark_conf(SparkSettings(**settings)) == gcs_conf() | adds


def test_lines_are_sorted_so_that_a_diff_is_short():
    lines = list(spark_conf(SparkSettings(event_log_url="gs://b", spot_executors=True), "http://gcs:1"))
    assert lines == sorted(lines)
