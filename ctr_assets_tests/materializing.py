"""Materialize parts of the deployed graph in the tests' process: real instance, real Spark session, real torch."""

import dagster as dg

from ctr_assets.definitions import assets as deployed_assets
from ctr_assets.defs.checks import CheckThresholds, asset_checks
from ctr_assets.defs.places import Places
from ctr_assets.launch import ProcessLauncher
from ctr_assets.launch.local_spark import LocalSparkLauncher

TABLES = ("raw_impressions", "impression_profile", "feature_vocabulary", "encoded_features")
IN_USE = ("champion_model", "serving_model", "click_predictions")
MODELS = ("wide_deep_model", "gbt_baseline", "logistic_baseline", "evaluation_metrics", "evaluation_report")


def _laptop_launchers():
    return {
        "spark_launcher": LocalSparkLauncher(),
        "pytorch_launcher": ProcessLauncher(),
    }


class Graph:
    """The deployed assets and their checks on one landing zone, one store and one instance."""

    def __init__(self, landing, store, instance, launchers=None):
        """``launchers``: the two launchers by resource name; those of a laptop when left out."""
        self.instance = instance
        self.resources = {
            "places": Places(landing_url=str(landing), store_url=str(store)),
            "thresholds": CheckThresholds(),
            **(launchers or _laptop_launchers()),
        }

    def materialize(self, *assets, first=None, last=None, config=None, raise_on_error=True, tags=None):
        """Materialize and check ``assets`` for the days ``first`` to ``last`` in one run, with more ``tags``."""
        tags = tags or {}
        if first is not None:
            tags |= {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last or first,
            }
        run_config = {"ops": {name: {"config": values} for name, values in (config or {}).items()}}
        return dg.materialize(
            [*(asset for asset in deployed_assets if isinstance(asset, dg.AssetsDefinition)), *asset_checks],
            selection=dg.AssetSelection.assets(*assets),
            instance=self.instance,
            resources=self.resources,
            tags=tags,
            run_config=run_config,
            raise_on_error=raise_on_error,
        )

    def metadata(self, asset, partition=None):
        """Metadata of the newest materialization, as plain values."""
        filter_ = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=None if partition is None else [partition]
        )
        (record,) = self.instance.fetch_materializations(filter_, limit=1).records
        return {key: value.value for key, value in record.asset_materialization.metadata.items()}
