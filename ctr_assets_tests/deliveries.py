"""Small Avazu-shaped deliveries for the tests of everything that reads the landing zone."""

import csv
import gzip
import io
import random
from pathlib import Path

from ctr_assets.features import RAW_COLUMNS

Row = dict[str, str]
COLUMNS = list(RAW_COLUMNS)


def impressions(day: str, count: int, seed: int = 0, labelled: bool = True) -> list[Row]:
    """``count`` valid rows of a day; ids are unique over days and seeds."""
    rng = random.Random(f"{day}/{seed}")
    rows = []
    for _ in range(count):
        row = {name: f"{name.lower()[:2]}{int(rng.paretovariate(0.8)) % 50:02d}" for name in COLUMNS}
        row["id"] = str(rng.randrange(10**18, 10**20))
        row["hour"] = f"{day[2:].replace('-', '')}{rng.randrange(24):02d}"
        row["click"] = str(int(rng.random() < 0.2))
        row["device_ip"] = f"ip{int(rng.paretovariate(0.5)) % 5000:06d}"
        if not labelled:
            del row["click"]
        rows.append(row)
    return rows


def to_csv(rows: list[Row], columns: list[str] | None = None) -> bytes:
    columns = columns or [name for name in COLUMNS if name in rows[0]]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def deliver(landing: Path, name: str, rows: list[Row], columns: list[str] | None = None) -> Path:
    """Write rows as ``landing/name``; gzipped when the name ends in .gz."""
    path = landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = to_csv(rows, columns)
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def deliver_feed(landing: Path, days: list[str], rows_per_day: int = 400) -> dict[str, list[Row]]:
    """A daily feed, one file a day; returns what was delivered."""
    delivered = {day: impressions(day, rows_per_day) for day in days}
    for day, rows in delivered.items():
        deliver(landing, f"day={day}/impressions.csv", rows)
    return delivered
