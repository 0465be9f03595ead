"""Where a job on a cluster writes its messages: numbered objects under the prefix that the launcher named."""

from typing import Any

from dagster_pipes import PipesGCSMessageWriter, PipesGCSMessageWriterChannel


class ContinuedMessageWriter(PipesGCSMessageWriter):
    """Numbers its objects on from those that are there.

    A job that a queue suspends and resumes starts anew under the same prefix. Pipes (1.13.27) numbers from 1 again, and
    whoever reads has gone on to later numbers: what it then reports would never be read.
    """

    def make_channel(self, params: Any) -> PipesGCSMessageWriterChannel:
        channel = super().make_channel(params)
        blobs = self._client.bucket(params["bucket"]).list_blobs(prefix=f"{params['key_prefix']}/")
        numbers = [int(blob.name.rpartition("/")[2].removesuffix(".json")) for blob in blobs]
        channel._counter = max(numbers, default=0) + 1
        return channel
