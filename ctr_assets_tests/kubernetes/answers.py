"""What the API hands to the wire: an answer with its JSON, text or stream."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ctr_assets_tests.kubernetes.resources import Json


class ConnectionDroppedError(Exception):
    """Raised by a stream whose connection is to break in the middle."""


@dataclass
class Answer:
    """JSON, text or a stream of chunks. `warnings` become Warning headers."""

    status: int = 200
    json: Json | None = None
    text: bytes | None = None
    stream: Iterator[bytes] | None = None
    stream_type: str = "application/json"
    warnings: list[str] = field(default_factory=list)
