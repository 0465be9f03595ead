"""The trailing window of days that a model learns from: its committed inputs, checked to fit together."""

from collections.abc import Sequence
from dataclasses import dataclass

from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.window import check_window
from ctr_assets.tables import FEATURE_VOCABULARY


@dataclass(frozen=True)
class Window:
    """The committed inputs of one training: the vocabulary of the model's day and the encoded days, oldest first."""

    day: str
    vocabulary: Manifest
    encoded: tuple[Manifest, ...]

    @property
    def days(self) -> list[str]:
        return [manifest.partition for manifest in self.encoded]

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """Feature -> number of ids; the ids are 1..size, 0 is unknown."""
        return dict(self.vocabulary.properties["sizes"])

    @property
    def vocabulary_fingerprint(self) -> str:
        return str(self.vocabulary.properties["chain"][self.day])


def resolve_window(store: Store, day: str, days: Sequence[str]) -> Window:
    """Read the manifests of a window and check that they fit together.

    Raises ValueError when ``days`` does not end in ``day`` or is not in order, and
    :class:`~ctr_assets.storage.window.WindowError` listing every day that has to be materialized again, and what.
    """
    if list(days) != sorted(set(days)) or not days or days[-1] != day:
        raise ValueError(f"the window must be distinct days, oldest first, ending in {day}; got {list(days)}")
    encoded = check_window(store, day, days)
    return Window(day, store.manifest(FEATURE_VOCABULARY, day), tuple(encoded))
