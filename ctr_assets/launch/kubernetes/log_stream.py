"""One answer of a pod's log endpoint: whole lines as they come, and what was cut off after the last of them."""

import contextlib
from collections.abc import Iterator
from typing import Any


class LogStream:
    """Iterate once for the lines, each with its nanosecond time stamp in front and without its newline.

    ``rest`` is then what came after the last newline: a line that the end of the stream cut in two, or the last one
    of a container that never ended it. Iterating raises urllib3's HTTPError when the connection breaks.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        self._partial = b""

    def __iter__(self) -> Iterator[str]:
        try:
            for chunk in self._response.stream(amt=None, decode_content=False):
                *lines, self._partial = (self._partial + chunk).split(b"\n")
                yield from map(_text, lines)
        finally:
            self._response.close()

    @property
    def rest(self) -> str:
        return _text(self._partial)

    def end(self) -> None:
        """Let a thread that waits for the next line stop waiting. Any thread may call this, at any time."""
        # The errors of a stream that has ended by itself, and of one whose socket has.
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
