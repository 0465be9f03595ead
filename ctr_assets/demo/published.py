"""Published aggregates of the Avazu train file (`published.json`): volumes, click rates, cardinalities, value counts.

Only counts are held here, never rows; the JSON names the sources. Everything else in this package is derived from them.
"""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

FIRST_PUBLISHED_DAY = date(2014, 10, 21)


@dataclass(frozen=True)
class Published:
    """The figures as arrays and tables.

    Attributes:
        rows: impressions in the ten days.
        clicks: clicks in the ten days.
        daily_rows: shape (10,), impressions per day.
        daily_click_rate: shape (10,), clicks per impression.
        hourly_rows: shape (24,), impressions per hour of day over all days.
        hourly_rows_first_day: shape (24,), the same for 2014-10-21 alone.
        cardinality: column name -> distinct values.
        short: column -> value -> (impressions, clicks or None where not published), complete value tables.
        head: column -> value -> impressions, the most frequent values of a long column, most frequent first.
        c20_missing_rows: impressions whose C20 is -1.
        c20_head_share: C20 value -> share of the impressions whose C20 is not -1.
        sizes: "WIDTHxHEIGHT" (C15 and C16) -> impressions.
        parents: child column -> head value -> its most frequent parents; `made_up.add_parent` takes the position.
    """

    rows: int
    clicks: int
    daily_rows: NDArray[np.int64]
    daily_click_rate: NDArray[np.float64]
    hourly_rows: NDArray[np.int64]
    hourly_rows_first_day: NDArray[np.int64]
    cardinality: dict[str, int]
    short: dict[str, dict[str, tuple[int, int | None]]]
    head: dict[str, dict[str, int]]
    c20_missing_rows: int
    c20_head_share: dict[str, float]
    sizes: dict[str, int]
    parents: dict[str, dict[str, list[str]]]

    @property
    def click_rate(self) -> float:
        """Clicks per impression over the ten days (0.1698)."""
        return self.clicks / self.rows

    def short_counts(self, column: str) -> dict[str, int]:
        """Value -> impressions of a short column."""
        return {value: rows for value, (rows, _) in self.short[column].items()}


@cache
def published() -> Published:
    """Reads the figures once per process."""
    raw = json.loads(files(__package__).joinpath("published.json").read_text(encoding="utf-8"))
    return Published(
        rows=raw["rows"],
        clicks=raw["clicks"],
        daily_rows=np.array(raw["daily_rows"], dtype=np.int64),
        daily_click_rate=np.array(raw["daily_click_rate"], dtype=np.float64),
        hourly_rows=np.array(raw["hourly_rows"], dtype=np.int64),
        hourly_rows_first_day=np.array(raw["hourly_rows_first_day"], dtype=np.int64),
        cardinality=raw["cardinality"],
        short={c: {v: (n, k) for v, (n, k) in table.items()} for c, table in raw["short"].items()},
        head=raw["head"],
        c20_missing_rows=raw["C20_missing_rows"],
        c20_head_share=raw["C20_head_share"],
        sizes=raw["sizes"],
        parents={
            "site_id": raw["site_parents"],
            "app_id": raw["app_parents"],
            "C14": raw["creative_parents"],
            "C17": raw["campaign_parents"],
        },
    )
