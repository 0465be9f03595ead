"""Where a training begins: at the model of the day before where that is fit to go on from, else from scratch.

Every reason to begin from scratch is found here, in the words that people read on the model's card.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ctr_assets.features import FEATURE_SELECTIONS
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.storage.vocabulary import chain_of
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, WIDE_DEEP_MODEL
from ctr_assets.training.config import TrainingConfig

FORMAT: Final = 2
"""Raised when a change of this code would make an older training go on wrongly."""
_SAME_MODEL: Final = frozenset({"start", "device"})
"""Fields of the configuration that say nothing about the model."""


@dataclass(frozen=True)
class Start:
    """What a training goes on from, and why; or why it begins from scratch.

    ``learnt``: day that the model has learnt from so far → content fingerprint of its rows. ``continued_days``: days
    that it has gone on for when this training is done.
    """

    reason: str
    previous: Manifest | None = None
    continued_days: int = 0
    learnt: dict[str, str] = field(default_factory=dict)

    @property
    def described(self) -> dict[str, Any]:
        """For the card and the manifest."""
        previous = self.previous
        return {
            "kind": "scratch" if previous is None else "continued",
            "reason": self.reason,
            "previous": previous and {"partition": previous.partition, "version": previous.version},
            "continued_days": self.continued_days,
        }


def find_start(
    store: Store, days: Sequence[str], config: TrainingConfig, *, code_version: str, fresh_every_days: int, why: str
) -> Start:
    """Where the model of the last of ``days``, its window, begins.

    ``fresh_every_days``: a model begins from scratch at the latest after so many days; 0: never. ``why`` says who asks
    for a start from scratch where the configuration asks for one.
    """
    if config.start == "scratch":
        return Start(f"training.start is scratch{why and f' ({why})'}")
    if len(days) < 2:
        return Start(f"no day before {days[-1]} is in the window")
    name = f"{WIDE_DEEP_MODEL}[{days[-2]}]"
    try:
        previous = store.find(WIDE_DEEP_MODEL, days[-2])
        if previous is None:
            return Start(f"{name} is not materialized")
        continued_days = 1 + int(previous.properties.get("start", {}).get("continued_days", 0))
        unfit = _why_unfit(store, previous, days[-1], config, code_version)
        if unfit:
            return Start(f"{name} {unfit}")
        if fresh_every_days and continued_days >= fresh_every_days:
            return Start(f"{name} has gone on for {continued_days - 1} days: a fresh model every {fresh_every_days}")
        for file in previous.files:  # now: once the ranks read them it is too late for another start
            with store.local_file(previous, file):
                pass
    except UnreadableError as e:
        return Start(f"{name} is damaged: {e}")
    return Start(f"{name} is fit to go on from", previous, continued_days, dict(previous.properties["learnt"]))


def _why_unfit(store: Store, previous: Manifest, day: str, config: TrainingConfig, code_version: str) -> str | None:
    """What hinders going on from a model, as the end of a sentence that its name begins."""
    properties = previous.properties
    if properties.get("format") != FORMAT:
        return f"is of format {properties.get('format', 1)}, and this code goes on from format {FORMAT} only"
    was = properties["code_version"]
    if was != code_version:
        return f"was made by code version {was or 'unknown'}, now {code_version or 'unknown'}"
    changed = _changed(properties["config"], config)
    if changed:
        return f"has another configuration: {', '.join(changed)}"
    vocabulary = store.find(FEATURE_VOCABULARY, day)
    chain = {} if vocabulary is None else chain_of(store, vocabulary, [previous.partition])
    if chain.get(previous.partition) != properties["vocabulary_fingerprint"]:
        return f"has other ids: {FEATURE_VOCABULARY}[{day}] does not continue the vocabulary that it was trained with"
    sizes = {} if vocabulary is None else vocabulary.properties["sizes"]
    selection = FEATURE_SELECTIONS[config.preset]
    if [*selection.wide_within(sizes)] != properties["features"]["wide"] or selection.deep != properties["features"][
        "deep"
    ]:
        return "reads other features"
    delivered_again = [each for each, content in properties["learnt"].items() if not _is_current(store, each, content)]
    if delivered_again:
        return f"has learnt from rows that are no longer those of {', '.join(delivered_again)}"
    return None


def _changed(was: dict[str, Any], config: TrainingConfig) -> list[str]:
    now = config.model_dump()
    names = sorted((was.keys() | now.keys()) - _SAME_MODEL)
    return [f"{name} was {was.get(name)}, now {now.get(name)}" for name in names if was.get(name) != now.get(name)]


def _is_current(store: Store, day: str, content: str) -> bool:
    """Whether a day's rows are still those that were learnt; of a day that was deleted nothing else is known."""
    encoded = store.find(ENCODED_FEATURES, day)
    return encoded is None or encoded.content_fingerprint == content
