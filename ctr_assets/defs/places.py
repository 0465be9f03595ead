"""Where a deployment keeps its landing zone and its tables."""

from typing import Any, Self

import dagster as dg
from pydantic import Field, model_validator

from ctr_assets.landing.apart import check_apart
from ctr_assets.settings import require


class Places(dg.ConfigurableResource[Any]):
    """URLs of the deployment: a folder or ``gs://bucket/prefix`` each, neither within the other.

    Definitions load without them, runs do not.
    """

    landing_url: str = Field(description="Where impressions are delivered")
    store_url: str = Field(description="Root of all tables and models")
    truth_folder: str = Field(default="", description="True click probabilities, which only the demo has")

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        if self.landing_url and self.store_url:
            check_apart(self.landing_url, self.store_url)
        return self

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        require("landing_url", self.landing_url)
        require("store_url", self.store_url)
