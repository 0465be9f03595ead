"""Dagster objects only: one module a stage of the graph. What they launch lives in ``ctr_assets.jobs``."""
