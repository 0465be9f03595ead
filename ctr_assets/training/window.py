"""The trailing window of days that a model learns from, checked beforehand: one vocabulary encoded all its days."""

from collections.abc import Sequence
from dataclasses import dataclass

from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY


class WindowNotReadyError(LookupError):
    """Days of the window must be materialized (again) before the model can be trained; the message lists them."""


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

    Raises ValueError when ``days`` does not end in ``day`` or is not in order, NotMaterializedError without a
    vocabulary, and WindowNotReadyError listing every day that has to be materialized again, and in which table.
    """
    if list(days) != sorted(set(days)) or not days or days[-1] != day:
        raise ValueError(f"the window must be distinct days, oldest first, ending in {day}; got {list(days)}")
    vocabulary = store.manifest(FEATURE_VOCABULARY, day)
    chain: dict[str, str] = vocabulary.properties["chain"]
    encoded = {d: store.find(ENCODED_FEATURES, d) for d in days}
    missing = [d for d, manifest in encoded.items() if manifest is None]
    uncovered = [d for d in days if d not in chain]
    stale = [
        d
        for d, manifest in encoded.items()
        if manifest and d in chain and manifest.properties.get("vocabulary_fingerprint") != chain[d]
    ]
    problems = [
        f"{ENCODED_FEATURES} has no committed version for {', '.join(missing)}" if missing else "",
        f"{ENCODED_FEATURES} was encoded by another vocabulary for {', '.join(stale)}" if stale else "",
        f"{FEATURE_VOCABULARY}[{day}] was not built over {', '.join(uncovered)}" if uncovered else "",
    ]
    if any(problems):
        actions = []
        if uncovered:
            actions.append(f"{FEATURE_VOCABULARY} for {', '.join(uncovered)} and the days after, up to {day}")
        if again := sorted({*missing, *stale, *uncovered}):
            actions.append(f"{ENCODED_FEATURES} for {', '.join(again)}")
        raise WindowNotReadyError(
            f"the window of wide_deep_model[{day}] is not ready under {store.url}: "
            f"{'; '.join(p for p in problems if p)}. Materialize {', then '.join(actions)}."
        )
    return Window(day, vocabulary, tuple(m for m in encoded.values() if m))
