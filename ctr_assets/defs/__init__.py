"""Dagster objects only: one module a stage of the graph. What they launch lives in ``ctr_assets.jobs``."""

from typing import Final

from ctr_assets.notices import ignore_notices
from ctr_assets.settings import read_settings

ignore_notices()

SETTINGS: Final = read_settings()
"""Read once, when the definitions are loaded: Dagster wants days, statuses and intervals then."""
