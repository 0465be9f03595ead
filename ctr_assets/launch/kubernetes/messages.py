"""The messages of a job on a cluster: numbered objects on GCS under a prefix that a later run can read again."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

from google.cloud.exceptions import NotFound
from google.cloud.storage import Client

from ctr_assets.launch.messages import LineMessageReader

MESSAGE_INTERVAL_SECONDS: Final = 1.0
"""Pause between two looks for the next object; the job writes one a second while it has something to say."""


class GCSPrefixMessageReader(LineMessageReader):
    """Reads ``<prefix>/1.json``, ``2.json``, … as PipesGCSMessageWriter numbers them, from the first at every attach.

    A refusal (403) is an error, not "no message yet".
    """

    def __init__(self, client: Client, bucket: str, key_prefix: str) -> None:
        self._client, self.bucket, self.key_prefix = client, bucket, key_prefix

    @contextmanager
    def place(self) -> Iterator[dict[str, Any]]:
        yield {"bucket": self.bucket, "key_prefix": self.key_prefix}

    def lines(self, params: dict[str, Any], ended: Event) -> Iterator[bytes]:
        bucket, index = self._client.bucket(self.bucket), 1
        while True:
            last = ended.is_set()
            while (content := _download(bucket, f"{self.key_prefix}/{index}.json")) is not None:
                yield from content.splitlines()
                index += 1
            if last:
                return
            ended.wait(MESSAGE_INTERVAL_SECONDS)

    def no_messages_debug_text(self) -> str:
        return f"Attempted to read messages from gs://{self.bucket}/{self.key_prefix}/."


def _download(bucket: Any, name: str) -> bytes | None:
    try:
        content: bytes = bucket.blob(name).download_as_bytes()
    except NotFound:
        return None
    return content


def remove_messages(client: Client, bucket: str, key_prefix: str) -> None:
    """Delete what a job reported, once it is in the event log."""
    for blob in client.bucket(bucket).list_blobs(prefix=f"{key_prefix}/"):
        blob.delete()
