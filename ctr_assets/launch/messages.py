"""The messages of a job on this machine: a temporary file that the job appends to and the run tails, line by line."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import IO, Any

import dagster as dg
from dagster import PipesMessageReader
from dagster_pipes import PipesDefaultMessageWriter

_POLL_SECONDS = 0.1


class WholeLineMessageReader(PipesMessageReader):
    """Hands over a message once its line is complete.

    Dagster's own file reader (1.13.27) parses whatever part of a line is there and dies of it: a message that carries
    a picture, 150 kB, is often seen half-written.
    """

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "messages")
            ended, errors = Event(), list[Exception]()

            def read() -> None:
                try:
                    with open(path, "rb") as file:
                        for line in _whole_lines(file, ended):
                            handler.handle_message(json.loads(line))
                except Exception as e:
                    errors.append(e)

            open(path, "wb").close()
            thread = Thread(target=read, name="job-messages", daemon=True)
            thread.start()
            try:
                yield {PipesDefaultMessageWriter.FILE_PATH_KEY: path}
            finally:
                ended.set()
                thread.join()
            if errors:
                raise dg.Failure(f"A message of the job could not be read: {errors[0]}") from errors[0]

    def no_messages_debug_text(self) -> str:
        return "Attempted to read messages from a temporary file."


def _whole_lines(file: IO[bytes], ended: Event) -> Iterator[bytes]:
    """Lines as they are completed, until ``ended`` is set and the file is read to its end."""
    partial = b""
    while True:
        last = ended.is_set()
        while chunk := file.readline():
            partial += chunk
            if partial.endswith(b"\n"):
                yield partial
                partial = b""
        if last:
            return
        ended.wait(_POLL_SECONDS)
