"""The week before a day: what a day is compared with."""

from collections.abc import Iterator
from typing import Final

from ctr_assets.days import shift
from ctr_assets.storage import Manifest, Store

TRAILING_DAYS: Final = 7


def trailing_week(store: Store, table: str, day: str) -> Iterator[Manifest]:
    """The manifests of those of the seven days before ``day`` that hold rows, newest first."""
    for back in range(1, TRAILING_DAYS + 1):
        manifest = store.find(table, shift(day, -back))
        if manifest is not None and manifest.rows:
            yield manifest
