"""Spark properties of a job: how Spark reaches ``gs://``, and what the settings ask of it. Pure data, no Spark."""

from typing import Final

from ctr_assets.launch.kubernetes.settings import SparkSettings

_GCS: Final = "spark.hadoop.fs.gs."
_NUMERIC_OVERRIDES: Final = {
    "block.size": 64 * 2**20,
    "outputstream.buffer.size": 8 * 2**20,
    "inputstream.inplace.seek.limit": 8 * 2**20,
    "inputstream.min.range.request.size": 2 * 2**20,
}
"""Defaults of gcs-connector 2.2.6, as numbers of bytes: Hadoop 3.5 reads them as ``64m`` and fails otherwise."""


def gcs_conf(emulator_url: str | None = None) -> dict[str, str]:
    """Properties of the GCS connector; with the URL of an emulator, no credentials are asked for.

    On GKE the connector finds Workload Identity's credentials by itself. A newer connector is a change here alone.
    """
    conf = {
        f"{_GCS}impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.gs.impl": "com.google.cloud.hadoop.fs.gcs.GoogleHadoopFS",
        **{f"{_GCS}{name}": str(value) for name, value in _NUMERIC_OVERRIDES.items()},
    }
    if emulator_url is not None:
        conf |= {
            # The connector appends its paths to this: the slash at the end matters.
            f"{_GCS}storage.root.url": emulator_url.rstrip("/") + "/",
            f"{_GCS}auth.service.account.enable": "false",
            f"{_GCS}auth.null.enable": "true",
        }
    return conf


def spark_conf(spark: SparkSettings, emulator_url: str | None = None) -> dict[str, str]:
    """``sparkConf`` of the application. The settings' own ``spark_conf`` wins."""
    conf = gcs_conf(emulator_url)
    if spark.event_log_url is not None:
        conf |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": spark.event_log_url}
    if spark.spot_executors:
        # A spot node gives 15 s or more of notice: move shuffle blocks away instead of computing them again.
        conf |= {
            "spark.decommission.enabled": "true",
            "spark.storage.decommission.enabled": "true",
            "spark.storage.decommission.shuffleBlocks.enabled": "true",
        }
    if spark.local_disk_gib is not None:
        # The size limit of a pod's volume for shuffle and spill files.
        for role in ("driver", "executor"):
            volume = f"spark.kubernetes.{role}.volumes.emptyDir.spark-local-dir-1"
            conf |= {f"{volume}.mount.path": "/var/data", f"{volume}.options.sizeLimit": f"{spark.local_disk_gib}Gi"}
    return dict(sorted((conf | spark.spark_conf).items()))
