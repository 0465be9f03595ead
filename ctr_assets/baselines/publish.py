"""A baseline's version: one file of the fitted model, and a card that says how it was fitted."""

import time
from collections.abc import Mapping
from typing import Any, Final

from ctr_assets.storage import Manifest, Store
from ctr_assets.storage.parts import write_bytes, write_json
from ctr_assets.training.window import Window

CARD_NAME: Final = "model_card.json"
_PROPERTIES: Final = ("day", "window", "train_rows", "base_rate", "vocabulary_fingerprint")
"""What the manifest repeats of the card, for those who only look."""


def card_of(window: Window, train_rows: int, clicks: int) -> dict[str, Any]:
    """What every baseline's card holds; ValueError unless the training rows are of both classes."""
    if not 0 < clicks < train_rows:
        raise ValueError(
            f"the window {', '.join(window.days)} has {train_rows:,} training rows with {clicks:,} clicks: "
            "a classifier needs rows of both classes"
        )
    return {
        "day": window.day,
        "window": window.days,
        "train_rows": train_rows,
        "base_rate": clicks / train_rows,
        "vocabulary_fingerprint": window.vocabulary_fingerprint,
    }


def publish(
    store: Store,
    table: str,
    window: Window,
    model: tuple[str, bytes],
    card: Mapping[str, Any],
    started: float,
    created_by: Mapping[str, str],
) -> Manifest:
    """Write the model's file, by name and content, and the card; then commit. ``started``: of the monotonic clock."""
    version = store.begin(table, window.day)
    files = [write_bytes(store, version.folder, *model), write_json(store, version.folder, CARD_NAME, card)]
    properties = {key: card[key] for key in _PROPERTIES}
    properties["seconds"] = round(time.monotonic() - started, 3)
    inputs = [window.vocabulary, *window.encoded]
    return version.commit(files, {}, inputs=inputs, properties=properties, created_by=created_by)


def read_card(store: Store, manifest: Manifest) -> dict[str, Any]:
    """The card of a committed baseline."""
    return store.read_json(manifest, CARD_NAME)
