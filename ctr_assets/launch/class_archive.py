"""Spark's classes, parsed and verified once: every later JVM of a laptop maps them from one file (class-data sharing).

    python -m ctr_assets.launch.class_archive

runs the Spark jobs on a few made impressions and keeps the classes that they took. A JVM uses the file only when it is
the Java and has the jars that it was made with; without it a session starts some ten seconds later
(https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html).
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from ctr_assets.demo.generate import generate
from ctr_assets.jobs.__main__ import run_job
from ctr_assets.jobs.report import SilentReport
from ctr_assets.launch.java import CLASS_ARCHIVE, find_java_home
from ctr_assets.launch.local_spark import LOCAL_SPARK_CONFIG, start_session

_DAYS: Final = ["2014-10-21", "2014-10-22"]


def make_archive() -> None:
    """Write the archive. Raises :class:`RuntimeError` when this Java cannot make one; a previous one stays."""
    # A JVM that finds half an archive dies of it: it gets its name when it is whole.
    with tempfile.TemporaryDirectory(dir=CLASS_ARCHIVE.parent, prefix="class-archive-") as folder:
        whole = Path(folder) / CLASS_ARCHIVE.name
        _run_jobs(Path(folder), f"-Xlog:disable -XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit={whole}")
        if not whole.exists():
            raise RuntimeError(
                f"{find_java_home()} made no archive of its classes: Spark works without, but starts slower"
            )
        whole.replace(CLASS_ARCHIVE)


def _run_jobs(home: Path, java_options: str) -> None:
    """Run the Spark jobs, each on what the one before wrote, in a JVM that has ended when this returns."""
    generate(4_000, home / "landing", home / "truth", days=len(_DAYS), workers=1)
    session = start_session({**LOCAL_SPARK_CONFIG, "spark.driver.extraJavaOptions": java_options})
    store_url, landing_url = str(home / "store"), str(home / "landing")
    jobs: dict[str, dict[str, Any]] = {
        "raw_impressions": {"days": _DAYS, "landing_url": landing_url},
        "feature_vocabulary": {"days": _DAYS, "previous_day": None},
        "encoded_features": {"days": _DAYS},
        "gbt_baseline": {"day": _DAYS[-1], "window": _DAYS, "gbt": {"max_iter": 2}},
    }
    for name, params in jobs.items():
        run_job(name, json.dumps({"store_url": store_url, **params}), SilentReport())
    gateway = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()  # what tells Spark's JVM to end
    gateway.proc.wait()


if __name__ == "__main__":
    began = time.monotonic()
    try:
        make_archive()
    except RuntimeError as e:
        print(f"Spark's classes: {e}")
    else:
        print(
            f"Spark's classes: {CLASS_ARCHIVE} "
            f"({CLASS_ARCHIVE.stat().st_size / 2**20:.0f} MiB, {time.monotonic() - began:.0f} s)"
        )
