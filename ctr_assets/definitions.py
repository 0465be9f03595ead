"""What is deployed: the assets of ``ctr_assets.defs``, on the deployment that ``CTR_DEPLOYMENT`` names."""

import dagster as dg

from ctr_assets.defs import feature_tables, ingest, models, serving
from ctr_assets.defs.asset_jobs import asset_jobs
from ctr_assets.defs.checks import asset_checks
from ctr_assets.defs.deployments import deployment_resources, deployment_sensors
from ctr_assets.defs.freshness import with_freshness
from ctr_assets.defs.schedules import schedules
from ctr_assets.defs.sensors import automation_sensors
from ctr_assets.defs.vacuum import vacuum

assets = with_freshness(dg.load_assets_from_modules([ingest, feature_tables, models, serving]))

defs = dg.Definitions(
    assets=assets,
    asset_checks=asset_checks,
    resources=deployment_resources(),
    jobs=[*asset_jobs, vacuum],
    schedules=schedules,
    sensors=[*automation_sensors, *deployment_sensors()],
    # One process a run, so that the run's Spark jobs share one JVM.
    executor=dg.in_process_executor,
)
