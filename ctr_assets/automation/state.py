"""The manifests of many days at once: the state that the decisions are made from."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ctr_assets.storage import Manifest, Store, UnreadableError

READERS: Final = 16
"""Manifests read at a time: in object storage a read is ~50 ms of waiting."""
_TOLD_DAYS: Final = 3

Manifests = Mapping[str, Manifest]
"""Day -> manifest of the current version; a day without one is left out."""


class State(dict[str, Manifests]):
    """Table -> its manifests. ``unreadable``: day -> what is wrong with its manifests that cannot be read."""

    def __init__(self, manifests: Mapping[str, Manifests], unreadable: Mapping[str, str]) -> None:
        super().__init__(manifests)
        self.unreadable = unreadable

    @property
    def note(self) -> str:
        """What cannot be read, as further clauses of a sentence; empty when all can."""
        told = [f"{day} is left out: {why}" for day, why in sorted(self.unreadable.items())]
        more = [f"{len(told) - _TOLD_DAYS} more days are left out"] if len(told) > _TOLD_DAYS else []
        return "".join(f"; {each}" for each in [*told[:_TOLD_DAYS], *more])


def read_manifests(store: Store, tables: Sequence[str], days: Sequence[str]) -> State:
    """The current manifests of ``tables`` for ``days``. One that cannot be read harms only its own day."""
    wanted = [(table, day) for table in tables for day in days]

    def read(place: tuple[str, str]) -> Manifest | UnreadableError | None:
        try:
            return store.find(*place)
        except UnreadableError as e:
            return e

    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(read, wanted))
    manifests: dict[str, dict[str, Manifest]] = {table: {} for table in tables}
    unreadable: dict[str, str] = {}
    for (table, day), manifest in zip(wanted, found, strict=True):
        if isinstance(manifest, UnreadableError):
            unreadable[day] = f"{unreadable[day]}; {manifest}" if day in unreadable else str(manifest)
        elif manifest is not None:
            manifests[table][day] = manifest
    return State(manifests, unreadable)
