"""Which file system a URL is of, and the path in it. Every character of a name stands for itself.

``fsspec.url_to_fs`` takes ``::`` for a chain of file systems, wherever it stands.
"""

import os
import re
from typing import Any, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

GCS: Final = "gs://"
LOCAL: Final = "file://"
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*://)?(.*?)/*", re.IGNORECASE | re.DOTALL)


def locate(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path that it takes, as :func:`split_url` has it, which says what is raised."""
    scheme, path = split_url(url)
    return (fsspec.filesystem("gs") if scheme == GCS else LocalFileSystem()), path


def split_url(url: str) -> tuple[str, str]:
    """``gs://`` or ``file://``, and the path without a slash at its end: ``bucket/prefix``, or an absolute one.

    ``gs://bucket/prefix`` is object storage, anything else a folder or file on a disk, with or without ``file://``
    before it; ``~/`` at the very beginning is the home. Raises ValueError for an empty URL and for other schemes.
    """
    scheme, path = _URL.fullmatch(url).groups(default="")  # type: ignore[union-attr]  # it matches everything
    if scheme == GCS and path:
        return GCS, path
    if scheme in ("", LOCAL) and url != scheme:
        return LOCAL, _absolute(path)
    raise ValueError(f"{url!r} is no place that can be read: expected a folder, or gs://bucket/prefix")


def _absolute(path: str) -> str:
    """The path from the root on; ``..`` stays, since the folder before it may be a link."""
    if path == "~" or path.startswith("~/"):
        path = os.path.expanduser(path)
    elif path and not path.startswith("/"):
        path = f"{os.getcwd()}/{path.removeprefix('./')}".removesuffix("/.")
    return path or "/"
