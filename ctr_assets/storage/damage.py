"""What cannot be read: one error that names the file below the store and what to do, in place of a reader's own."""

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
from pydantic import ValidationError

SET_ASIDE: Final = ".damaged"
"""Ends the name of what :func:`set_aside` kept for inspection; the vacuum deletes it when it is old."""

_OF_THE_FILE: Final = (OSError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""What a disk or Arrow raises of a file. A subclass comes from a storage client: its bucket does not answer."""
_OF_THE_MACHINE: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.ENETUNREACH)
_OF_THE_CONTENT: Final = (ValueError, LookupError, EOFError, pa.ArrowException)
_TOLD_PROBLEMS: Final = 3


class UnreadableError(ValueError):
    """Something under the store is missing, cut off or not what it should be. Names the file, and what to do."""


@contextmanager
def reading(name: str, todo: str, *others: type[Exception]) -> Iterator[None]:
    """Turn what reading a damaged file raises, ``others`` too, into an :class:`UnreadableError`.

    ``name`` is the file below the store and the store's URL, ``todo`` what puts it right. A store that cannot be asked
    (no connection, no file handle or disk left) is another matter: its error goes on as it is.
    """
    try:
        yield
    except UnreadableError:
        raise
    except (OSError, *_OF_THE_CONTENT, *others) as e:
        if isinstance(e, OSError) and (type(e) not in _OF_THE_FILE or e.errno in _OF_THE_MACHINE):
            raise
        raise UnreadableError(f"{name} cannot be read ({explain(e)}): {todo}") from e


def explain(error: Exception) -> str:
    """An error of a reader in one line, without paths and links that say nothing more."""
    if isinstance(error, ValidationError):
        problems = [f"{'.'.join(map(str, p['loc'])) or 'content'}: {p['msg']}" for p in error.errors()]
        more = [f"{len(problems) - _TOLD_PROBLEMS} more"] if len(problems) > _TOLD_PROBLEMS else []
        return "; ".join([*problems[:_TOLD_PROBLEMS], *more])
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error) is ValueError:
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class Properties(dict[str, Any]):
    """What a manifest tells beyond its files. An entry that is not there is an :class:`UnreadableError`."""

    def __init__(self, content: dict[str, Any], name: str, todo: str) -> None:
        nested = (Properties(each, name, todo) if isinstance(each, dict) else each for each in content.values())
        super().__init__(zip(content, nested, strict=True))
        self.name, self.todo = name, todo

    def __missing__(self, key: str) -> Any:
        raise UnreadableError(f"{self.name} cannot be read (its properties lack {key!r}): {self.todo}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Properties, (dict(self), self.name, self.todo)


def set_aside(fs: Any, path: str) -> str:
    """Rename a damaged file or folder, so that nobody reads it and a person can look at it; returns its new path."""
    kept = f"{path}.{secrets.token_hex(4)}{SET_ASIDE}"
    fs.mv(path, kept)
    return kept
