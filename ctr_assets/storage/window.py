"""The trailing window of days that a model reads, and whether their ids come from one vocabulary."""

from collections.abc import Mapping, Sequence

from ctr_assets.storage.manifest import Manifest
from ctr_assets.storage.store import Store
from ctr_assets.storage.vocabulary import chain_of
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY


class WindowError(ValueError):
    """The days of a window cannot be read together. The message lists every day to materialize again, and what."""


def check_window(store: Store, day: str, window: Sequence[str]) -> list[Manifest]:
    """The ``encoded_features`` manifests of the window of a model of ``day``, oldest day first.

    Every day must have been encoded by a prefix of the vocabulary of ``day``: the chained fingerprint in its manifest
    is the one that this vocabulary holds for it. Otherwise one id could mean two values. Raises :class:`WindowError`
    that lists all days at fault at once, so that one backfill puts them right.
    """
    if not window:
        raise WindowError(f"the window of {day} has no days: give at least {day} itself")
    days = sorted(set(window))
    vocabulary = store.find(FEATURE_VOCABULARY, day)
    if vocabulary is None:
        raise WindowError(
            f"{FEATURE_VOCABULARY}[{day}] has no committed version under {store.url}: "
            f"materialize {FEATURE_VOCABULARY}, then {ENCODED_FEATURES}, for {', '.join(days)}"
        )
    chain = chain_of(store, vocabulary, days)
    encoded = {each: store.find(ENCODED_FEATURES, each) for each in days}
    found = [manifest for manifest in encoded.values() if manifest is not None]
    fingerprints = {manifest.partition: str(manifest.properties.get("vocabulary_fingerprint")) for manifest in found}
    uncovered = [each for each in days if each not in chain]
    missing = [each for each in days if encoded[each] is None]
    stale = stale_days({**fingerprints, **chain}, fingerprints)
    problems = {
        f"{FEATURE_VOCABULARY}[{day}] was not built over": uncovered,
        f"{ENCODED_FEATURES} has no committed version for": missing,
        f"{ENCODED_FEATURES} was encoded by another vocabulary for": stale,
    }
    if not any(problems.values()):
        return found
    stated = "; ".join(f"{problem} {', '.join(of)}" for problem, of in problems.items() if of)
    renewed = [each for each in stale if _own_fingerprint(store, each) == fingerprints[each]]
    again, vocabularies = {*uncovered, *missing, *stale}, ""
    if uncovered:
        vocabularies = f"{FEATURE_VOCABULARY} for {', '.join(uncovered)} and every later day to {day}, then "
    elif renewed:  # its rows are right: it is the later vocabularies that still continue the one before
        again = (again | {each for each in days if each > renewed[0]}) - {renewed[0]}
        vocabularies = f"{FEATURE_VOCABULARY} for every day after {renewed[0]} to {day}, then "
    raise WindowError(
        f"the window of {day} cannot be read under {store.url}: {stated}. "
        f"Materialize {vocabularies}{ENCODED_FEATURES} for {', '.join(sorted(again))}"
    )


def _own_fingerprint(store: Store, day: str) -> str | None:
    """Chained fingerprint of the day's current vocabulary; None where there is none."""
    vocabulary = store.find(FEATURE_VOCABULARY, day)
    return None if vocabulary is None else vocabulary.properties["chain"][day]


def stale_days(chain: Mapping[str, str], fingerprints: Mapping[str, str]) -> list[str]:
    """The days, oldest first, whose vocabulary fingerprint is not the one that ``chain`` holds for them."""
    return sorted(day for day, fingerprint in fingerprints.items() if chain.get(day) != fingerprint)
