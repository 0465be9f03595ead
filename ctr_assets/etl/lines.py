"""The bytes of a task as blocks of whole lines; their line breaks are counted on the way, before anything is parsed.

A line is what ends with a line feed, or at the end of the text. Carriage returns before a line feed are part of the
line's end. What lines hold is not looked at here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

import numpy as np

from ctr_assets.etl.plan import ParseTask
from ctr_assets.landing.containers import open_text
from ctr_assets.landing.errors import LandingError

BLOCK_BYTES: Final = 64 << 20
"""Most bytes of CSV in one Arrow batch: about 400,000 impressions, which become one Parquet row group. It is more than
a task of a plain file has. Such a task writes one dictionary a column, and its readers have none to unify."""
MAX_LINE_BYTES: Final = 1 << 20
"""Most of a line that is kept in memory: a longer one is rejected anyway."""
WINDOW_BYTES: Final = 2048
_LINE_FEED: Final = 10
_COUNTED_BYTES: Final = 128 * WINDOW_BYTES
"""Bytes counted at a time: few enough to stay in the processor's cache, which makes counting twice as fast."""


@dataclass
class LineBreaks:
    """What was counted in the bytes of a task: line feeds, and whether the last byte of the text is none."""

    count: int = 0
    ends_open: bool = False

    def count_in(self, data: bytes) -> None:
        self.count += count_lines(data)[0]


def count_lines(data: bytes) -> tuple[int, bool]:
    """Number of line feeds, and whether some line may be longer than two windows (``2 * WINDOW_BYTES``).

    A line of more than two windows covers a whole one, in which there is then no line feed.
    """
    array = np.frombuffer(data, np.uint8)
    count, is_long = 0, False
    for start in range(0, len(array), _COUNTED_BYTES):
        found = array[start : start + _COUNTED_BYTES] == _LINE_FEED
        count += int(np.count_nonzero(found))
        windows = found[: len(found) // WINDOW_BYTES * WINDOW_BYTES].reshape(-1, WINDOW_BYTES)
        is_long = is_long or not windows.any(axis=1).all()
    return count, is_long


def read_blocks(task: ParseTask, breaks: LineBreaks) -> Iterator[bytes]:
    """Whole lines, at most about ``BLOCK_BYTES`` at a time, and never none; the last one of a text may end open.

    Every line is in exactly one block of one task: the one in whose bytes it begins. ``breaks`` counts exactly the
    bytes of the task, so the sums of both over the tasks of a text tell whether a line was lost between two tasks. A
    line longer than ``MAX_LINE_BYTES`` is cut, and stays longer than that. Raises LandingError, naming the file.
    """
    with open_text(task.text) as stream:
        yield from _of_stream(stream, task, breaks) if task.end is None else _of_range(stream, task, task.end, breaks)


def _of_stream(stream: IO[bytes], task: ParseTask, breaks: LineBreaks) -> Iterator[bytes]:
    last = stream.read(task.header.size)
    rest = b""
    while data := stream.read(BLOCK_BYTES):
        breaks.count_in(data)
        last = data
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(data)[:end]))
            rest = data[end:]
        else:
            rest += data
        rest = rest[: MAX_LINE_BYTES + 1]
    breaks.ends_open = not last.endswith(b"\n")
    if rest:
        yield rest


def _of_range(stream: IO[bytes], task: ParseTask, end: int, breaks: LineBreaks) -> Iterator[bytes]:
    stream.seek(task.start - 1)
    before, data = stream.read(1), stream.read(end - task.start)
    if len(data) != end - task.start:
        raise LandingError(
            f"{task.text.name}: {len(data):,} bytes from byte {task.start:,} on, expected {end - task.start:,}: it "
            "shrank while it was read. Deliver it whole, then materialize again"
        )
    breaks.count_in(data)
    is_last = end == task.text.file.size
    breaks.ends_open = is_last and not (data or before).endswith(b"\n")
    begin = 0 if before == b"\n" else data.find(b"\n") + 1
    is_begun = begin < len(data) and (begin > 0 or before == b"\n")
    if is_begun:
        ends_within = is_last or data.endswith(b"\n")
        yield b"".join((memoryview(data)[begin:], b"" if ends_within else _to_end_of_line(stream)))


def _to_end_of_line(stream: IO[bytes]) -> bytes:
    """The rest of a line, or enough of it to know that it is too long."""
    rest = b""
    while len(rest) <= MAX_LINE_BYTES and (data := stream.read(WINDOW_BYTES)):
        line, newline, _ = data.partition(b"\n")
        rest += line + newline
        if newline:
            break
    return rest
