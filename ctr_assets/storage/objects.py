"""Single small objects: read one, replace one atomically. Local disk and GCS."""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ctr_assets.storage.damage import set_aside


class CommitConflictError(RuntimeError):
    """Another writer replaced the object since this writer began."""


def read_object(fs: Any, path: str) -> bytes | None:
    """Content of an object; None when there is none. Raises OSError when there is one that cannot be read."""
    if isinstance(fs, LocalFileSystem):
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
    from google.cloud.exceptions import Forbidden, NotFound

    try:
        data: bytes = _blob(path).download_as_bytes()
    except NotFound:
        return None
    except Forbidden as e:
        raise PermissionError(errno.EACCES, "Permission denied", path) from e
    return data


@contextmanager
def on_disk(fs: Any, path: str) -> Iterator[str]:
    """Path of a file on this machine's disk: its own, or that of a copy, whole and gone after the context."""
    if isinstance(fs, LocalFileSystem):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, os.path.basename(path))
        fs.get_file(path, copy)
        yield copy


def find_generation(fs: Any, path: str) -> int | None:
    """Generation of an object on GCS, 0 when there is none; None on a local disk, whose files have none."""
    if isinstance(fs, LocalFileSystem):
        return None
    from google.cloud.exceptions import NotFound

    blob = _blob(path)
    try:
        blob.reload()
    except NotFound:
        return 0
    generation: int = blob.generation
    return generation


def replace_object(fs: Any, path: str, data: bytes, generation: int | None) -> None:
    """Write an object so that a reader sees the old content or the new, never a part.

    Locally by ``os.replace`` of a file on the same disk, flushed first. On GCS the upload carries ``generation`` as a
    precondition (0: the object must not exist) and CommitConflictError says that another writer was faster.
    """
    if isinstance(fs, LocalFileSystem):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{secrets.token_hex(4)}.tmp"
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.isdir(path):  # no manifest, and no file replaces a folder
            set_aside(fs, path)
        os.replace(temporary, path)
        return
    from google.api_core.exceptions import PreconditionFailed

    try:
        _blob(path).upload_from_string(data, content_type="application/json", if_generation_match=generation)
    except PreconditionFailed as e:
        raise CommitConflictError(
            f"gs://{path} was replaced by another writer since generation {generation}: "
            "its version stays; materialize the partition again if yours should win"
        ) from e


def _blob(path: str) -> Any:
    # gcsfs offers no generation precondition for existing objects (2026.10), the official client does.
    from google.cloud import storage

    bucket, _, name = path.removeprefix("gs://").partition("/")
    return storage.Client().bucket(bucket).blob(name)
