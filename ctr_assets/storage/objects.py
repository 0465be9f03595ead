"""Single small objects: read one with its generation, replace one atomically. Local disk and GCS."""

import os
import secrets
from typing import Any

from fsspec.implementations.local import LocalFileSystem


class CommitConflictError(RuntimeError):
    """Another writer replaced the object since this writer began."""


def read_object(fs: Any, path: str) -> tuple[bytes | None, int | None]:
    """Content and generation of an object; ``(None, 0)`` on GCS and ``(None, None)`` locally when there is none."""
    if isinstance(fs, LocalFileSystem):
        try:
            with open(path, "rb") as file:
                return file.read(), None
        except FileNotFoundError:
            return None, None
    blob = _blob(path)
    from google.cloud.exceptions import NotFound

    try:
        data = blob.download_as_bytes()
    except NotFound:
        return None, 0
    return data, blob.generation


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
