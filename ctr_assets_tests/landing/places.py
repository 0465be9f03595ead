"""A landing zone to deliver to, on a disk or in object storage."""

import os
from urllib.parse import quote

import requests

AWKWARD_NAMES = [
    "a::b",
    "zip::x",
    "s*r",
    "w?y",
    "[x]",
    "{0}",
    "a#1",
    "50%25",
    "~",
    "a b",
    " a ",
    "zürich",
    "日",
    "in:",
    "a\\b",
    'q"u',
    "line\nbreak",
    "bell\x07",
    "day",
]


class OnDisk:
    """``name`` is a path in the landing zone."""

    def __init__(self, root):
        self.root = root
        self.url = str(root)
        root.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return self.root / name

    def put(self, name, data=b"x"):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(data)

    def replace(self, name, data):
        """As a producer does that writes beside the file and renames."""
        self.path("_new").write_bytes(data)
        os.replace(self.path("_new"), self.path(name))

    def remove(self, name):
        self.path(name).unlink()


class InGcs:
    """By the JSON API, as a producer who is another process: nothing that this process remembers is told."""

    def __init__(self, bucket, prefix="landing"):
        self._bucket, self._prefix = bucket, prefix
        self._api = bucket.environment["STORAGE_EMULATOR_HOST"]
        self.url = f"{bucket.uri}/{prefix}" if prefix else bucket.uri

    def name(self, name):
        return f"{self._prefix}/{name}" if self._prefix else name

    def put(self, name, data=b"x", **metadata):
        url = f"{self._api}/upload/storage/v1/b/{self._bucket.name}/o"
        options = {"uploadType": "media", "name": self.name(name), **metadata}
        requests.post(url, params=options, data=data, timeout=10).raise_for_status()

    replace = put

    def remove(self, name):
        url = f"{self._api}/storage/v1/b/{self._bucket.name}/o/{quote(self.name(name), safe='')}"
        requests.delete(url, timeout=10).raise_for_status()
