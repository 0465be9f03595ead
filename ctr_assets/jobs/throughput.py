"""The metadata that every table's report carries: rows, bytes, version, seconds and rows a second."""

from typing import Any

from ctr_assets.jobs.report import path
from ctr_assets.storage import Manifest, Store


def throughput(manifest: Manifest, store: Store, rows: int, seconds: float) -> dict[str, Any]:
    """Metadata of a committed table.

    ``rows`` and ``seconds`` are what the whole job read and took: a range run shares its time among its days.
    """
    return {
        "dagster/row_count": manifest.rows,
        "bytes": manifest.bytes,
        "files": len(manifest.files),
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds, 1),
        "version": manifest.version,
        "content_fingerprint": manifest.content_fingerprint,
        "path": path(store.path(manifest.table, manifest.partition, manifest.version)),
    }
