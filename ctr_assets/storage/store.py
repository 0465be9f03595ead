"""The store: where every table and model of a deployment is, and how a version of one is written and committed.

Layout under the root URL (a local folder or ``gs://bucket/prefix``)::

    <table>/<partition>/manifest.json        the current version; replaced as the last step of a write
    <table>/<partition>/<version>/<file>     immutable files; readable only once a manifest names them
"""

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import fsspec
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ctr_assets.storage.manifest import DataFile, Manifest, build_manifest
from ctr_assets.storage.objects import read_object, replace_object

MANIFEST_NAME = "manifest.json"


class NotMaterializedError(LookupError):
    """A table's partition has no committed version yet."""


class _OwningParquetFile(pq.ParquetFile):
    """Closes the file that it was handed open: pyarrow leaves it open, and gcsfs then goes on prefetching for it."""

    def close(self, force: bool = True) -> None:
        super().close(force=force)


@dataclass(frozen=True)
class TableVersion:
    """A version being written. Its files stay invisible to readers until :meth:`commit`."""

    store: "Store"
    table: str
    partition: str
    version: str
    generation: int | None
    """Generation of the manifest that this version will replace (GCS), None on a local disk."""

    @property
    def folder(self) -> str:
        return self.store.path(self.table, self.partition, self.version)

    def commit(
        self,
        files: Iterable[DataFile],
        columns: Mapping[str, str],
        *,
        inputs: Iterable[Manifest] = (),
        properties: Mapping[str, Any] | None = None,
        created_by: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Make this version the current one. Atomic: a kill before or during leaves the previous version in place.

        Raises :class:`~ctr_assets.storage.objects.CommitConflictError` when, on GCS, another writer committed the
        partition since this version was begun.
        """
        manifest = build_manifest(
            table=self.table,
            partition=self.partition,
            version=self.version,
            files=files,
            columns=columns,
            created_by=created_by or {},
            inputs=inputs,
            properties=properties,
        )
        path = self.store.path(self.table, self.partition, MANIFEST_NAME)
        replace_object(self.store.fs, path, manifest.model_dump_json(indent=1).encode(), self.generation)
        return manifest


class Store:
    """All tables and models under one root URL. Picklable and stateless: Spark tasks make their own from the URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, self.root = fsspec.url_to_fs(url)
        if isinstance(self.fs, LocalFileSystem):
            self.fs.auto_mkdir = True

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (self.url,)

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def path(self, *parts: str) -> str:
        """Path below the root, in the form that :attr:`fs` takes."""
        return "/".join((self.root.rstrip("/"), *parts))

    def find(self, table: str, partition: str) -> Manifest | None:
        """The manifest of the current version, or None when nothing was ever committed."""
        data, _ = read_object(self.fs, self.path(table, partition, MANIFEST_NAME))
        return None if data is None else Manifest.model_validate_json(data)

    def manifest(self, table: str, partition: str) -> Manifest:
        """The manifest of the current version. Raises :class:`NotMaterializedError`, which says what to do."""
        found = self.find(table, partition)
        if found is None:
            raise NotMaterializedError(
                f"{table}[{partition}] has no committed version under {self.url}: materialize {table} for {partition}"
            )
        return found

    def begin(self, table: str, partition: str) -> TableVersion:
        """Start a fresh version; nothing is visible to readers before its commit."""
        _, generation = read_object(self.fs, self.path(table, partition, MANIFEST_NAME))
        version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        return TableVersion(self, table, partition, version, generation)

    def file_path(self, manifest: Manifest, file: DataFile) -> str:
        return self.path(manifest.table, manifest.partition, manifest.version, file.name)

    def open_file(self, manifest: Manifest, file: DataFile) -> IO[bytes]:
        """Open one of the files that a manifest names, for reading. The caller closes it."""
        path = self.file_path(manifest, file)
        return open(path, "rb") if self.is_local else self.fs.open(path, "rb")

    def parquet(self, manifest: Manifest, file: DataFile, **options: Any) -> pq.ParquetFile:
        """Open a Parquet file that a manifest names; the caller closes it (or leaves it to a ``with``)."""
        path = self.file_path(manifest, file)
        if self.is_local:
            return pq.ParquetFile(path, memory_map=True, **options)
        return _OwningParquetFile(self.fs.open(path, "rb"), pre_buffer=False, **options)

    def remove_tree(self, *parts: str) -> None:
        """Delete everything below a path of the store; no error when there is nothing."""
        path = self.path(*parts)
        if self.fs.exists(path):
            self.fs.rm(path, recursive=True)


def created_by(**labels: str) -> dict[str, str]:
    """Who writes: the labels given plus the process id."""
    return {**labels, "pid": str(os.getpid())}
