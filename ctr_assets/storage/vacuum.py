"""Deletes what nobody can read any more: versions that no manifest names, and checkpoints that no training took up.

A version is named by the manifest that committed it, and by every manifest that lists it among its inputs: what a
current table was made from stays. What an unreadable manifest could have named stays until it is replaced.
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ctr_assets.storage.damage import SET_ASIDE, UnreadableError
from ctr_assets.storage.store import MANIFEST_NAME, Store
from ctr_assets.tables import CHECKPOINTS, MADE_FROM, has_partition

logger = logging.getLogger(__name__)

_VERSION = re.compile(r"(\d{8}T\d{6})-[0-9a-f]{8}$")
_LEFT_BESIDE = re.compile(rf"{re.escape(MANIFEST_NAME)}\.[0-9a-f]{{8}}({re.escape('.tmp')}|{re.escape(SET_ASIDE)})$")
"""A manifest that a killed writer left half-written, and a damaged one that was set aside."""


@dataclass(frozen=True)
class Garbage:
    """Something to delete: a version, a training's checkpoints, or a manifest left half-written or set aside.

    ``path`` is below the store's root; ``bytes`` is the size of all its files.
    """

    table: str
    path: str
    bytes: int
    is_version: bool = False


def find_garbage(
    store: Store, *, keep_days: float, now: datetime, tell: Callable[[str], None] = logger.warning
) -> list[Garbage]:
    """What is older than ``keep_days`` and unreadable. Deletes nothing; ``tell`` hears what was left out, and why.

    A version being written is not named yet, so ``keep_days`` must be longer than any job writes: its age counts from
    its begin. Checkpoints are as old as their newest file.
    """
    store.fs.invalidate_cache()
    before = now - timedelta(days=keep_days)
    tables = [name for name in _folders(store) if name != CHECKPOINTS]
    folders = [(table, partition) for table in tables for partition in _folders(store, table)]
    partitions = [place for place in folders if has_partition(*place)]
    named = set[tuple[str, str]]()
    kept: set[str] = set()  # tables, and ``table/partition``, of which no version is deleted
    for table, partition in partitions:
        try:
            named |= set(_named_versions(store, table, partition))
        except UnreadableError as e:
            sources = MADE_FROM.get(table, tuple(tables))
            kept |= {f"{table}/{partition}", *sources}
            tell(f"No version of {', '.join((f'{table}[{partition}]', *sources))} is deleted: {e}")
    return [
        *(
            garbage
            for table, partition in partitions
            for garbage in _old_versions(store, table, partition, named, before)
            if kept.isdisjoint((table, f"{table}/{partition}")) or not garbage.is_version
        ),
        *_old_checkpoints(store, before),
    ]


def delete_garbage(store: Store, garbage: Garbage) -> bool:
    """Delete it, unless it is a version that was committed since it was found; returns whether it is gone."""
    table, partition, *_ = parts = garbage.path.split("/")
    if garbage.is_version:
        try:
            current = store.find(table, partition)
        except UnreadableError:
            return False  # damaged since it was found: it may name this very version
        if current is not None and current.version == parts[-1]:
            return False
    store.remove_tree(*parts)
    return True


def _named_versions(store: Store, table: str, partition: str) -> Iterator[tuple[str, str]]:
    """``table/partition`` and version of everything that the manifest of a partition names."""
    manifest = store.find(table, partition)
    if manifest is not None:
        yield manifest.reference, manifest.version
        yield from manifest.inputs.items()


def _old_versions(
    store: Store, table: str, partition: str, named: set[tuple[str, str]], before: datetime
) -> Iterator[Garbage]:
    for name, info in _entries(store, table, partition):
        path = f"{table}/{partition}/{name}"
        begun = _VERSION.match(name)
        if begun and info["type"] == "directory":
            is_old = datetime.strptime(begun[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) < before
            if is_old and (f"{table}/{partition}", name) not in named:
                yield Garbage(table, path, _size(store, path), is_version=True)
        elif _LEFT_BESIDE.match(name) and _is_old(store, path, before):
            yield Garbage(table, path, _size(store, path))


def _old_checkpoints(store: Store, before: datetime) -> Iterator[Garbage]:
    for table in _folders(store, CHECKPOINTS):
        for partition in _folders(store, CHECKPOINTS, table):
            for fingerprint in _folders(store, CHECKPOINTS, table, partition):
                path = f"{CHECKPOINTS}/{table}/{partition}/{fingerprint}"
                if _is_old(store, path, before):
                    yield Garbage(f"{CHECKPOINTS} of {table}", path, _size(store, path))


def _folders(store: Store, *parts: str) -> list[str]:
    return sorted(name for name, info in _entries(store, *parts) if info["type"] == "directory")


def _entries(store: Store, *parts: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and details of what is directly in a folder of the store; empty when there is no such folder."""
    folder = store.path(*parts).rstrip("/")
    try:
        found = store.fs.ls(folder, detail=True)
    except FileNotFoundError:
        return []
    paths = [(info["name"].rstrip("/"), info) for info in found]
    return [(path.rsplit("/", 1)[-1], info) for path, info in paths if path != folder]


def _size(store: Store, path: str) -> int:
    return sum(int(info["size"]) for info in store.fs.find(store.path(path), detail=True).values())


def _is_old(store: Store, path: str, before: datetime) -> bool:
    """Whether there are files at or below a path, and all of them are older."""
    files = store.fs.find(store.path(path))
    return bool(files) and all(store.fs.modified(file) < before for file in files)
