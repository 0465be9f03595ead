"""Whether a day looks like the week before: click rate, unknown values, population stability."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from ctr_assets.features import FEATURES, Split
from ctr_assets.quality.finding import Finding
from ctr_assets.quality.trailing import TRAILING_DAYS, trailing_week
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import ENCODED_FEATURES, IMPRESSION_PROFILE

STANDARD_ERRORS: Final = 4.0
"""A click rate that differs by less than this many standard errors does not differ: small days are noisy."""
PSI_VALUES: Final = 20
"""Most frequent values that are told apart; all others are one more bucket."""
_LEAST_ROWS = 0.5
"""A bucket without rows counts as half a row: its logarithm must exist."""


def click_rate(store: Store, day: str, lowest: float, highest: float, max_change: float) -> Finding:
    """Clicks of the labelled rows: within ``[lowest, highest]`` and within ``max_change`` (relative) of the week's."""
    labelled, clicks = _labelled(store.manifest(ENCODED_FEATURES, day))
    if not labelled:
        return Finding(True, f"{day} has no labelled row: nothing to learn from")
    rate = clicks / labelled
    figures: dict[str, float] = {"click_rate": rate, "labelled_rows": labelled}
    if not lowest <= rate <= highest:
        return Finding(False, f"click rate {rate:.3%}; expected {lowest:.2%} to {highest:.2%}", figures)
    week = trailing_week(store, ENCODED_FEATURES, day, _labelled)
    rows_before, clicks_before = (sum(each[i] for each in week.days) for i in range(2))
    if not clicks_before:
        nothing = f"nothing to compare with in the {TRAILING_DAYS} days before{week.left_out}"
        return Finding(True, f"click rate {rate:.3%}; {nothing}", figures)
    usual = clicks_before / rows_before
    noise = STANDARD_ERRORS * math.sqrt(usual * (1 - usual) * (1 / labelled + 1 / rows_before))
    change = rate / usual - 1
    against = f"{change:+.1%} against {usual:.3%} of the week before"
    message = f"click rate {rate:.3%}, {against}; expected within ±{max_change:.0%}{week.left_out}"
    passed = abs(change) <= max_change or abs(rate - usual) <= noise
    return Finding(passed, message, {**figures, "usual_click_rate": usual, "change": change})


def unknown_shares(encoded: Manifest) -> dict[str, float]:
    """Share of an encoded day's rows with an unknown value, by feature; 0 of a day without rows."""
    return {name: rows / max(1, encoded.rows) for name, rows in _unknown_rows(encoded).items()}


def unknown_rate(store: Store, day: str, max_increase: float) -> Finding:
    """Per feature the share of rows whose value has no id, beside that of the week before."""
    manifest = store.manifest(ENCODED_FEATURES, day)
    week = trailing_week(store, ENCODED_FEATURES, day, lambda each: (each.rows, _unknown_rows(each)))
    if not manifest.rows or not week.days:
        nothing = f"nothing to compare with in the {TRAILING_DAYS} days before{week.left_out}"
        return Finding(True, f"{manifest.rows:,} rows; {nothing}")
    shares = unknown_shares(manifest)
    rows = sum(of_day for of_day, _ in week.days)
    usual = {f.name: sum(unknown[f.name] for _, unknown in week.days) / rows for f in FEATURES}
    increases = {name: shares[name] - usual[name] for name in shares}
    worst = max(increases, key=increases.__getitem__)
    over = [name for name, increase in increases.items() if increase > max_increase]
    told = ", ".join(f"{name} {shares[name]:.1%} (was {usual[name]:.1%})" for name in (over or [worst]))
    expected = f"expected at most {max_increase:.0%} of the rows more than in the week before"
    message = f"unknown values: {told}; {expected}{week.left_out}"
    return Finding(not over, message, {f"unknown_share/{name}": share for name, share in shares.items()})


def population_stability(store: Store, day: str, max_index: float) -> Finding:
    r"""Population stability index of every column against the week before, :math:`\sum (p - q) \ln (p / q)`.

    Buckets are the column's ``PSI_VALUES`` most frequent values of the week and one for all others. Below 0.1 nothing
    moved, above 0.25 the population is another one (Siddiqi, "Credit Risk Scorecards", 2006). What small samples of one
    population reach by chance is allowed on top: index / (1/n + 1/m) is chi-squared with one degree less than there are
    buckets (Yurdakul, "Statistical properties of population stability index", 2018).
    """
    today = _value_counts(store, store.manifest(IMPRESSION_PROFILE, day))
    week = trailing_week(store, IMPRESSION_PROFILE, day, lambda manifest: _value_counts(store, manifest))
    if not today or not week.days:
        return Finding(True, f"nothing to compare with in the {TRAILING_DAYS} days before{week.left_out}")
    before: dict[str, Counter[str]] = defaultdict(Counter)
    for of_day in week.days:
        for column, counts in of_day.items():
            before[column].update(counts)
    indices = {column: _stability_index(today[column], before[column]) for column in today if column in before}
    limits = {column: max_index + _chance(today[column], before[column]) for column in indices}
    over = sorted((c for c, index in indices.items() if index > limits[c]), key=lambda c: -indices[c])
    worst = max(indices, key=indices.__getitem__)
    told = ", ".join(f"{column} {indices[column]:.2f}" for column in (over or [worst]))
    message = f"population stability index: {told}; expected at most {max_index}{week.left_out}"
    return Finding(not over, message, {f"psi/{column}": index for column, index in indices.items()})


def _unknown_rows(encoded: Manifest) -> dict[str, int]:
    return {f.name: encoded.properties["unknown_rows"][f.name] for f in FEATURES}


def _labelled(manifest: Manifest) -> tuple[int, int]:
    """Labelled rows of an encoded day, and the clicked ones of them."""
    splits = manifest.properties["splits"]
    return sum(splits[s.value] for s in Split if s is not Split.UNLABELLED), int(manifest.properties["clicks"])


def _value_counts(store: Store, profile: Manifest) -> dict[str, Counter[str]]:
    """Rows of each profiled value of each column of a day; the rows of all other values under ``""``."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for file in profile.files:
        with store.parquet(profile, file) as parquet:
            table = parquet.read(columns=["column", "value", "rows"])
        for column, value, rows in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
            counts[column][value] += rows
    # A column of few values is profiled whole: its sum is the day's rows.
    total = max((each.total() for each in counts.values()), default=0)
    for each in counts.values():
        each[""] += total - each.total()
    return counts


def _stability_index(today: Counter[str], before: Counter[str]) -> float:
    kept = [value for value, _ in before.most_common(PSI_VALUES) if value]
    return sum((p - q) * math.log(p / q) for p, q in zip(_shares(today, kept), _shares(before, kept), strict=True))


def _chance(today: Counter[str], before: Counter[str]) -> float:
    """What the index of two samples of one population stays below, but for ``STANDARD_ERRORS``."""
    freedom = min(PSI_VALUES, len(before))
    return (1 / today.total() + 1 / before.total()) * (freedom + STANDARD_ERRORS * math.sqrt(2 * freedom))


def _shares(counts: Mapping[str, int], kept: list[str]) -> list[float]:
    total = sum(counts.values())
    of_kept = [counts.get(value, 0) for value in kept]
    return [max(_LEAST_ROWS, rows) / total for rows in (*of_kept, total - sum(of_kept))]
