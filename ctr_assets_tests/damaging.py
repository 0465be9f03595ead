"""Ways in which a file under a store gets damaged by hand, on a local disk and in object storage alike."""

import json
from typing import Any

from ctr_assets.storage import DataFile, Manifest, Store


def content_of(store: Store, path: str) -> bytes:
    content: bytes = store.fs.cat_file(path)
    return content


def put(store: Store, path: str, content: bytes) -> None:
    store.fs.pipe_file(path, content)
    store.fs.invalidate_cache()


def manifest_path(store: Store, table: str, partition: str) -> str:
    return store.path(table, partition, "manifest.json")


def edit_manifest(store: Store, table: str, partition: str, /, **changed: Any) -> None:
    """Change fields of a manifest as an editor would."""
    path = manifest_path(store, table, partition)
    put(store, path, json.dumps({**json.loads(content_of(store, path)), **changed}).encode())


def damage_file(store: Store, path: str, how: str) -> None:
    """``how`` is a key of ``DAMAGES``."""
    content = content_of(store, path)
    store.fs.rm_file(path)
    store.fs.invalidate_cache()
    damaged = DAMAGES[how](content)
    if damaged is not None:
        put(store, path, damaged)


def flip(content: bytes) -> bytes:
    """The same size, other bytes: in the middle, where no reader looks for a mark."""
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 0xFF for byte in content[middle : middle + 64]) + content[middle + 64 :]


DAMAGES = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "grown": lambda content: content + b"more",
    "of another magic": lambda content: b"XXXXXXXX" + content[8:-8] + b"XXXXXXXX",
    "flipped": flip,
}


def damage(store: Store, manifest: Manifest, file: DataFile, how: str) -> str:
    """Damage a file that a manifest names; returns how an error must name it."""
    damage_file(store, store.file_path(manifest, file), how)
    return f"{manifest.reference}/{manifest.version}/{file.name} under {store.url}"
