"""Where every table and model is, and how a version is committed. Knows files, not what is in them."""

from ctr_assets.storage.damage import UnreadableError
from ctr_assets.storage.manifest import DataFile, Manifest, fingerprint
from ctr_assets.storage.objects import CommitConflictError
from ctr_assets.storage.parts import ParquetPart, write_parquet
from ctr_assets.storage.store import NotMaterializedError, Store, TableVersion

__all__ = [
    "CommitConflictError",
    "DataFile",
    "Manifest",
    "NotMaterializedError",
    "ParquetPart",
    "Store",
    "TableVersion",
    "UnreadableError",
    "fingerprint",
    "write_parquet",
]
