"""Where a deployment keeps its landing zone and its tables."""

import dagster as dg
from pydantic import Field


class Places(dg.ConfigurableResource):
    """URLs of the deployment: a folder or ``gs://bucket/prefix`` each."""

    landing_url: str = Field(description="Where impressions are delivered")
    store_url: str = Field(description="Root of all tables and models")
