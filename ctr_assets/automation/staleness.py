"""Which days' feature tables were made from what is no longer current, and the one run that puts them right."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ctr_assets.automation.state import Manifests
from ctr_assets.storage import Manifest, fingerprint
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, RAW_IMPRESSIONS

FEATURE_TABLES = (RAW_IMPRESSIONS, FEATURE_VOCABULARY, ENCODED_FEATURES)


@dataclass(frozen=True)
class Staleness:
    """Days to make the feature tables of again, ``first`` to ``last`` in one run; ``run_key`` is of what they read.

    ``first`` is None when nothing is stale (``is_current``), or when it cannot be put right yet. ``reason`` is a
    sentence for people.
    """

    reason: str
    is_current: bool = False
    first: str | None = None
    last: str | None = None
    run_key: str = ""


def stale_days(
    tables: Mapping[str, Manifests], days: Sequence[str], unreadable: Collection[str] = ()
) -> dict[str, str]:
    """Day -> why its feature tables are out of date, for the days up to the newest encoded one, oldest first.

    ``days`` are the graph's, oldest first. A day is judged by what it was made from. Its own tables are compared by
    version, since rows are found by their place in them. The vocabulary of the day before is compared by content: a day
    that was delivered again and came out the same costs nothing more. ``unreadable`` days are not judged, nor whether
    the next day continues them.
    """
    raws, vocabularies, encoded = (tables[table] for table in FEATURE_TABLES)
    newest = max(encoded, default="")
    found = {}
    previous: Manifest | None = None
    for day in days:
        if day > newest:
            break
        if day in unreadable:
            previous = None
            continue
        why = _why_stale(raws.get(day), vocabularies.get(day), encoded.get(day), previous)
        if why:
            found[day] = why
        previous = vocabularies.get(day)
    return found


def stale_features(tables: Mapping[str, Manifests], days: Sequence[str], unreadable: Collection[str] = ()) -> Staleness:
    """The run that is needed: from the first stale day to the newest encoded one, since each continues the last."""
    stale = stale_days(tables, days, unreadable)
    if not stale:
        days_encoded = len(tables[ENCODED_FEATURES])
        return Staleness(f"The feature tables of all {days_encoded} days continue one another", is_current=True)
    first, last = min(stale), max(tables[ENCODED_FEATURES])
    affected = [day for day in days if first <= day <= last]
    raws = tables[RAW_IMPRESSIONS]
    missing = [day for day in affected if day not in raws]
    if missing:
        return Staleness(f"{stale[first]}; {RAW_IMPRESSIONS} of {', '.join(missing)} must be materialized first")
    day_before = max((day for day in days if day < first), default="")
    if day_before in unreadable:
        return Staleness(f"{stale[first]}; {day_before}, which it continues, must be materialized first")
    before = tables[FEATURE_VOCABULARY].get(day_before)
    read = [raws[day].version for day in affected] + ([before.version] if before else [])
    run_key = f"{first}:{fingerprint([first, last, read])[:16]}"
    return Staleness(stale[first], first=first, last=last, run_key=run_key)


def _why_stale(
    raw: Manifest | None, vocabulary: Manifest | None, encoded: Manifest | None, previous: Manifest | None
) -> str | None:
    if vocabulary is None or encoded is None:
        of = encoded or vocabulary or raw
        missing = FEATURE_VOCABULARY if vocabulary is None else ENCODED_FEATURES
        return f"{missing} is missing" + (f" for {of.partition}" if of else " for a day before the newest encoded one")
    day = vocabulary.partition
    if raw is not None and vocabulary.inputs.get(raw.reference) != raw.version:
        return f"{FEATURE_VOCABULARY}[{day}] was made from another version of {raw.table}[{day}]"
    if previous is not None and not _continues(vocabulary, previous):
        return f"{FEATURE_VOCABULARY}[{day}] does not continue {previous.table}[{previous.partition}]"
    for source in (raw, vocabulary):
        if source is not None and encoded.inputs.get(source.reference) != source.version:
            return f"{ENCODED_FEATURES}[{day}] was made from another version of {source.table}[{day}]"
    return None


def _continues(vocabulary: Manifest, previous: Manifest) -> bool:
    """Whether the ids are the previous day's and more, and the counts of values without an id were carried on."""
    day = previous.partition
    is_prefix = vocabulary.properties["chain"].get(day) == previous.properties["chain"][day]
    return is_prefix and vocabulary.was_made_from(previous)
