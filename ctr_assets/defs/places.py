"""Where a deployment keeps its landing zone and its tables."""

import dagster as dg
from pydantic import Field

from ctr_assets.settings import require


class Places(dg.ConfigurableResource):
    """URLs of the deployment: a folder or ``gs://bucket/prefix`` each. Definitions load without them, runs do not."""

    landing_url: str = Field(description="Where impressions are delivered")
    store_url: str = Field(description="Root of all tables and models")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        require("landing_url", self.landing_url)
        require("store_url", self.store_url)
