"""Click-through-rate models that stay fresh: impressions become a graph of Dagster assets, one partition a day."""

__version__ = "0.4.0"
