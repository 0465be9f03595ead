"""Writing the files of a version: every byte is hashed on its way, so the manifest can name what was written."""

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ctr_assets.storage.manifest import DataFile
from ctr_assets.storage.store import Store

_COPY_BYTES: Final = 1 << 22
COMPACT_ENCODING: Final = {
    "feature": "DELTA_BINARY_PACKED",
    "state": "DELTA_BINARY_PACKED",
    "count": "DELTA_BINARY_PACKED",
    "value": "DELTA_LENGTH_BYTE_ARRAY",
}
"""Of columns of values that hardly repeat: their lengths apart from their bytes, so that each compresses well."""


class HashingSink(io.RawIOBase):
    """A binary file that hashes and counts what is written through it."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw
        self._sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._raw.write(data)
        self._sha256.update(data)
        view = memoryview(data)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


class ParquetPart:
    """One Parquet file of a version, written row group by row group.

    Dictionary and zstd encoded. The same tables in the same order give the same bytes.
    """

    def __init__(self, store: Store, folder: str, name: str, schema: pa.Schema, **options: Any) -> None:
        self.name = name
        self.rows = 0
        self._sink = HashingSink(_open_for_writing(store, f"{folder}/{name}"))
        self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd", store_schema=False, **options)

    def write(self, table: pa.Table, row_group_rows: int | None = None) -> None:
        self._writer.write_table(table, row_group_size=row_group_rows or max(1, table.num_rows))
        self.rows += table.num_rows

    def close(self) -> DataFile:
        """Finish the file and describe it."""
        self._writer.close()
        self._sink.close()
        return DataFile(name=self.name, rows=self.rows, bytes=self._sink.size, sha256=self._sink.sha256)


def write_parquet(store: Store, folder: str, name: str, table: pa.Table, **options: Any) -> DataFile:
    """Write a whole table as one Parquet file of one row group."""
    part = ParquetPart(store, folder, name, table.schema, **options)
    part.write(table)
    return part.close()


def write_json(store: Store, folder: str, name: str, content: Any, rows: int = 0) -> DataFile:
    """Write a small file of a version: ``content`` as JSON that a person can read."""
    return write_bytes(store, folder, name, json.dumps(content, indent=1).encode(), rows)


def write_bytes(store: Store, folder: str, name: str, content: bytes, rows: int = 0) -> DataFile:
    """Write a small file of a version. ``rows`` is what it tells of."""
    with open_sink(store, folder, name) as sink:
        sink.write(content)
    return describe(name, sink, rows)


@contextmanager
def open_sink(store: Store, folder: str, name: str) -> Iterator[HashingSink]:
    """Open a plain file of a version for writing; describe it afterwards with :func:`describe`."""
    sink = HashingSink(_open_for_writing(store, f"{folder}/{name}"))
    try:
        yield sink
    finally:
        sink.close()


def write_file(store: Store, folder: str, name: str, path: str | Path, rows: int = 0) -> DataFile:
    """Copy a file of this machine's disk into a version, a piece at a time."""
    with open(path, "rb") as source, open_sink(store, folder, name) as sink:
        shutil.copyfileobj(source, sink, _COPY_BYTES)
    return describe(name, sink, rows)


def describe(name: str, sink: HashingSink, rows: int = 0) -> DataFile:
    return DataFile(name=name, rows=rows, bytes=sink.size, sha256=sink.sha256)


def _open_for_writing(store: Store, path: str) -> Any:
    if store.is_local:
        store.fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        return open(path, "wb", buffering=1 << 20)
    return store.fs.open(path, "wb")
