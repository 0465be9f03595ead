"""Notices of Dagster about what is used here on purpose: each is ignored by its words, with the reason.

Any other warning is shown. The definitions and the tests take them from here.
"""

import warnings
from typing import Final

import dagster as dg

NOTICES: Final[tuple[tuple[str, type[Warning]], ...]] = (
    # The first day has no day before, and the last none after.
    ("Parameter `allow_nonexistent_upstream_partitions` of initializer", dg.BetaWarning),
    # All days of a Spark table in one run, which reads each archive once.
    ("Parameter `backfill_policy` of function `asset`", dg.BetaWarning),
    # A check looks at one day, as its asset does.
    ("Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning),
    # A job of tables and models takes a day a run, which is what it is for; the tables alone take a range.
    (r"Asset job \w+ materializes assets with varying BackfillPolicies", UserWarning),
    # Dagster's own calls, whenever a Pipes session is opened and whenever a configuration is read.
    ("Function `PipesMessageReader.expected_writer_count` is currently in preview", dg.PreviewWarning),
    ("AssetExecutionContext.run_id is deprecated", DeprecationWarning),
    ("The `__fields__` attribute is deprecated", DeprecationWarning),
)
"""(What the message begins with, a regular expression; its category.)"""


def ignore_notices() -> None:
    """Show none of ``NOTICES`` in this process."""
    for message, category in NOTICES:
        warnings.filterwarnings("ignore", message, category)
