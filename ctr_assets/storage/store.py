"""The store: where every table and model of a deployment is, and how a version of one is written and committed.

Layout under the root URL (a local folder or ``gs://bucket/prefix``)::

    <table>/<partition>/manifest.json        the current version; replaced as the last step of a write
    <table>/<partition>/<version>/<file>     immutable files; readable only once a manifest names them
"""

import glob
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ctr_assets.storage.damage import Properties, UnreadableError, reading
from ctr_assets.storage.locate import locate
from ctr_assets.storage.manifest import DataFile, Manifest, VersionName, build_manifest, parse_manifest
from ctr_assets.storage.objects import find_generation, on_disk, read_object, replace_object
from ctr_assets.tables import check_partition, how_to_materialize

MANIFEST_NAME = "manifest.json"


class NotMaterializedError(LookupError):
    """A table's partition has no committed version yet."""


class _TableFile(pq.ParquetFile):
    """A Parquet file whose damage, wherever it is met, is told as :class:`UnreadableError`.

    Closes the file that it was handed open: pyarrow leaves it open, and gcsfs then goes on prefetching for it.
    """

    def __init__(self, source: Any, reading: Callable[[], AbstractContextManager[None]], **options: Any) -> None:
        self._reading_it = reading
        with reading():
            super().__init__(source, **options)

    def read(self, *args: Any, **options: Any) -> pa.Table:
        with self._reading_it():
            return super().read(*args, **options)

    def read_row_group(self, *args: Any, **options: Any) -> pa.Table:
        with self._reading_it():
            return super().read_row_group(*args, **options)

    def read_row_groups(self, *args: Any, **options: Any) -> pa.Table:
        with self._reading_it():
            return super().read_row_groups(*args, **options)

    def iter_batches(self, *args: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        batches = super().iter_batches(*args, **options)
        while True:
            with self._reading_it():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

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
    def name(self) -> VersionName:
        """What a reader finds its files by."""
        return VersionName(table=self.table, partition=self.partition, version=self.version)

    @property
    def folder(self) -> str:
        return self.store.path(self.table, self.partition, self.version)

    def commit(
        self,
        files: Iterable[DataFile],
        columns: Mapping[str, str],
        *,
        inputs: Iterable[Manifest] = (),
        refers_to: Iterable[VersionName] = (),
        properties: Mapping[str, Any] | None = None,
        created_by: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Make this version the current one. Atomic: a kill before or during leaves the previous version in place.

        ``refers_to`` names versions whose files this one goes on using: the vacuum keeps them, as it keeps ``inputs``.

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
            refers_to=refers_to,
            properties=properties,
        )
        path = self.store.path(self.table, self.partition, MANIFEST_NAME)
        replace_object(self.store.fs, path, manifest.model_dump_json(indent=1).encode(), self.generation)
        return manifest


class Store:
    """All tables and models under one root URL. Picklable and stateless: Spark tasks make their own from the URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, self.root = locate(url)
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
        """The manifest of the current version, or None when nothing was ever committed.

        Raises :class:`UnreadableError` when there is something that is no manifest of this partition.
        """
        check_partition(table, partition)
        name, todo = self._named(table, partition, MANIFEST_NAME), _todo(table, partition)
        with reading(name, todo):
            data = read_object(self.fs, self.path(table, partition, MANIFEST_NAME))
            found = None if data is None else parse_manifest(data, table, partition)
        if found is None:
            return None
        return found.model_copy(update={"properties": Properties(found.properties, name, todo)})

    def manifest(self, table: str, partition: str) -> Manifest:
        """The manifest of the current version. Raises :class:`NotMaterializedError`, which says what to do."""
        found = self.find(table, partition)
        if found is None:
            todo = how_to_materialize(table, partition)
            raise NotMaterializedError(f"{table}[{partition}] has no committed version under {self.url}: {todo}")
        return found

    def begin(self, table: str, partition: str) -> TableVersion:
        """Start a fresh version; nothing is visible to readers before its commit. It may replace a damaged manifest."""
        check_partition(table, partition)
        generation = find_generation(self.fs, self.path(table, partition, MANIFEST_NAME))
        version = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        return TableVersion(self, table, partition, version, generation)

    def file_path(self, version: VersionName, file: DataFile) -> str:
        return self.path(version.table, version.partition, version.version, file.name)

    def file(self, manifest: Manifest, name: str) -> DataFile:
        """The file of that name of a version. Raises :class:`UnreadableError` when its manifest names none."""
        for file in manifest.files:
            if file.name == name:
                return file
        named = ", ".join(file.name for file in manifest.files) or "no file"
        place = self._named(manifest.table, manifest.partition, MANIFEST_NAME)
        raise UnreadableError(f"{place} has no {name}, only {named}: {_todo(manifest.table, manifest.partition)}")

    def reading(self, version: VersionName, file: DataFile, *others: type[Exception]) -> AbstractContextManager[None]:
        """Inside it what reading a damaged file raises, ``others`` too, is told as :class:`UnreadableError`."""
        name = self._named(version.table, version.partition, version.version, file.name)
        return reading(name, _todo(version.table, version.partition), *others)

    def open_file(self, version: VersionName, file: DataFile) -> IO[bytes]:
        """Open one of the files that a manifest names, for reading. The caller closes it.

        Raises :class:`UnreadableError` unless it is there and as large as its manifest says.
        """
        path = self.file_path(version, file)
        with self.reading(version, file):
            source: Any = open(path, "rb") if self.is_local else self.fs.open(path, "rb")  # noqa: SIM115
            size = os.fstat(source.fileno()).st_size if self.is_local else source.size
            if size != file.bytes:
                source.close()
                raise ValueError(f"it is not what its manifest names: {size:,} bytes, not {file.bytes:,}")
        opened: IO[bytes] = source
        return opened

    def read(self, version: VersionName, file: DataFile) -> bytes:
        """All of a small file that a manifest names; its SHA-256 is compared too."""
        with self.open_file(version, file) as source, self.reading(version, file):
            data = source.read()
            _check_sha256(hashlib.sha256(data).hexdigest(), file)
        return data

    def read_json(self, manifest: Manifest, name: str) -> dict[str, Any]:
        """The JSON object that a small file of a version holds."""
        file = self.file(manifest, name)
        with self.reading(manifest, file):
            content = json.loads(self.read(manifest, file))
            if not isinstance(content, dict):
                raise ValueError("it is no JSON object")
        return content

    def buffer(self, version: VersionName, file: DataFile) -> pa.Buffer:
        """All of a file: mapped where it is on a disk, so that processes share its pages; in object storage read."""
        with self.open_file(version, file) as source, self.reading(version, file):
            return pa.memory_map(source.name).read_buffer() if self.is_local else pa.py_buffer(source.read())

    @contextmanager
    def local_file(self, manifest: Manifest, file: DataFile, *others: type[Exception]) -> Iterator[str]:
        """Path on this machine's disk of a file that a manifest names, for readers of paths; its SHA-256 is compared.

        In object storage of a copy, which is gone afterwards. Inside it the file is being read, as in :meth:`reading`.
        """
        self.open_file(manifest, file).close()
        with self.reading(manifest, file, *others), on_disk(self.fs, self.file_path(manifest, file)) as path:
            with open(path, "rb") as content:
                _check_sha256(hashlib.file_digest(content, "sha256").hexdigest(), file)
            yield path

    def parquet(self, version: VersionName, file: DataFile, **options: Any) -> pq.ParquetFile:
        """Open a Parquet file that a manifest names; the caller closes it (or leaves it to a ``with``)."""
        source, reading_it = self.open_file(version, file), partial(self.reading, version, file)
        if self.is_local:
            source.close()
            return _TableFile(self.file_path(version, file), reading_it, memory_map=True, **options)
        return _TableFile(source, reading_it, pre_buffer=False, **options)

    def _named(self, *parts: str) -> str:
        return f"{'/'.join(parts)} under {self.url}"

    def remove_tree(self, *parts: str) -> None:
        """Delete everything below a path of the store; no error when there is nothing."""
        path = self.path(*parts)
        if self.fs.exists(path):
            # In object storage fsspec looks for what a path matches, so that s*e would take store along.
            self.fs.rm(path if self.is_local else glob.escape(path), recursive=True)


def created_by(**labels: str) -> dict[str, str]:
    """Who writes: the labels given plus the process id."""
    return {**labels, "pid": str(os.getpid())}


def _todo(table: str, partition: str) -> str:
    return f"{how_to_materialize(table, partition)} again"


def _check_sha256(found: str, file: DataFile) -> None:
    if found != file.sha256:
        raise ValueError(f"it is not what its manifest names: SHA-256 {found}, not {file.sha256}")
