"""The manifests of many days at once: the state that the decisions are made from."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ctr_assets.storage import Manifest, Store

READERS: Final = 16
"""Manifests read at a time: in object storage a read is ~50 ms of waiting."""

Manifests = Mapping[str, Manifest]
"""Day -> manifest of the current version; a day without one is left out."""


def read_manifests(store: Store, tables: Sequence[str], days: Sequence[str]) -> Mapping[str, Manifests]:
    """The current manifests of ``tables`` for ``days``, by table and day."""
    wanted = [(table, day) for table in tables for day in days]
    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(lambda table_and_day: store.find(*table_and_day), wanted))
    manifests: dict[str, dict[str, Manifest]] = {table: {} for table in tables}
    for (table, day), manifest in zip(wanted, found, strict=True):
        if manifest is not None:
            manifests[table][day] = manifest
    return manifests
