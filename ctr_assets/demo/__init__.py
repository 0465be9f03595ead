"""Avazu-shaped demo data with a known click model; see `generate.generate` and `python -m ctr_assets.demo --help`."""

from ctr_assets.demo.generate import DemoSummary, generate

__all__ = ["DemoSummary", "generate"]
