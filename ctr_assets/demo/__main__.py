"""Command line of the demo-data generator: `python -m ctr_assets.demo --rows 200000 --landing DIR --truth DIR`."""

import argparse
import sys
from datetime import date
from pathlib import Path

from tqdm import tqdm

from ctr_assets.demo.calendar import Drift
from ctr_assets.demo.generate import generate
from ctr_assets.demo.published import FIRST_PUBLISHED_DAY


def day(text: str) -> date:
    """An argument that is a day; 20141021 and 2014-W43-2 are ISO too, but folders are not named so."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: expected YYYY-MM-DD")
    return found


def parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    p = argparse.ArgumentParser(prog="python -m ctr_assets.demo", description="Makes Avazu-shaped impressions.")
    p.add_argument("--rows", type=int, default=200_000, help="impressions over all days (default: %(default)s)")
    p.add_argument("--landing", type=Path, required=True, help="folder of day=YYYY-MM-DD/impressions.csv")
    p.add_argument("--truth", type=Path, required=True, help="folder of day=YYYY-MM-DD.parquet (click probabilities)")
    p.add_argument("--first-day", type=day, default=FIRST_PUBLISHED_DAY, help="default: %(default)s")
    p.add_argument("--days", type=int, default=10, help="consecutive days (default: %(default)s)")
    p.add_argument("--seed", type=int, default=2014, help="the same seed gives the same bytes (default: %(default)s)")
    p.add_argument("--gzip", action="store_true", help="write impressions.csv.gz")
    p.add_argument(
        "--drift",
        type=Drift,
        choices=list(Drift),
        default=Drift.PUBLISHED,
        help="none: every day is like the first; published: new values and click rates as in the log; fast: besides, "
        "the effects of values turn by 3 degrees a day (default: %(default)s)",
    )
    p.add_argument("--workers", type=int, help="processes (default: one per core)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Runs the generator; returns the exit status (2 for bad arguments or an unwritable folder)."""
    options = parser().parse_args(arguments)
    # disable=None: no bar where standard error is not a terminal.
    with tqdm(total=max(options.rows, 0), unit=" rows", unit_scale=True, disable=None) as bar:
        try:
            summary = generate(**vars(options), progress=lambda rows: bar.update(rows))
        except (ValueError, OSError) as e:
            bar.close()
            print(f"error: {e}", file=sys.stderr)
            return 2
    print(f"{summary.rows:,} impressions, {summary.clicks:,} clicks ({summary.clicks / summary.rows:.2%})")
    print(f"best reachable: AUC {summary.best_auc:.4f}, logloss {summary.best_logloss:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
