"""What is deployed: the assets of ``ctr_assets.defs``, on the deployment that ``CTR_DEPLOYMENT`` names."""

import dagster as dg

from ctr_assets.defs import feature_tables, ingest, models
from ctr_assets.defs.deployments import deployment_resources, deployment_sensors

assets = dg.load_assets_from_modules([ingest, feature_tables, models])

defs = dg.Definitions(
    assets=assets,
    resources=deployment_resources(),
    sensors=deployment_sensors(),
    # One process a run, so that the run's Spark jobs share one JVM.
    executor=dg.in_process_executor,
)
