"""Times ticks of the landing sensor over many files: ``python -m ctr_assets_tests.automation.benchmark [FILES]``."""

import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

from ctr_assets.definitions import defs
from ctr_assets.defs.automation import LandingWatch
from ctr_assets.defs.places import Places
from ctr_assets.defs.sensors import landing_sensor
from ctr_assets_tests.automation.watching import DAYS


def main(files):
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        for number in range(files):
            path = Path(folder) / f"day={DAYS[number % 10]}" / f"part-{number:05d}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("x")
        resources = {
            "places": Places(landing_url=folder, store_url=f"{folder}-store"),
            "landing_watch": LandingWatch(settle_seconds=0),
        }
        cursor = None
        for _ in range(3):
            with dg.build_sensor_context(
                instance, cursor=cursor, repository_def=defs.get_repository_def(), resources=resources
            ) as context:
                began = time.perf_counter()
                tick = landing_sensor.evaluate_tick(context)
                seconds, cursor = time.perf_counter() - began, tick.cursor
            said = tick.skip_message or f"{len(tick.run_requests or [])} runs requested"
            sys.stdout.write(f"{files} files: {seconds:.2f} s, cursor {len(cursor or '')} characters; {said[:60]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
