"""The metadata that every table's report carries: rows, bytes, version, seconds and rows a second."""

import time
from typing import Any

from ctr_assets.jobs.report import path
from ctr_assets.storage import Manifest, Store


def throughput(manifest: Manifest, store: Store, rows_of_run: int, started: float) -> dict[str, Any]:
    """Metadata of a committed table. ``started`` is ``time.monotonic()`` at the start of the job.

    ``seconds`` and ``rows_per_second`` are of the whole job: a range run shares its time among its days.
    """
    seconds = time.monotonic() - started
    return {
        "dagster/row_count": manifest.rows,
        "bytes": manifest.bytes,
        "files": len(manifest.files),
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows_of_run / seconds, 1),
        "version": manifest.version,
        "content_fingerprint": manifest.content_fingerprint,
        "path": path(store.path(manifest.table, manifest.partition, manifest.version)),
    }
