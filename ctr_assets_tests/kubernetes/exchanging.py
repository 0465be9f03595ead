"""Sends a recorded request to the fake; the recording's uids, versions and tokens become the fake's."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests

from ctr_assets_tests.kubernetes.patches import APPLY, JSON_PATCH, MERGE, STRATEGIC
from ctr_assets_tests.kubernetes.resources import Json
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.timestamps import nanosecond_stamp, parse_nanoseconds

AGENT = "OpenAPI-Generator/35.0.0/python"
NOBODY, NOBODY_TOKEN = "system:serviceaccount:quiet:nobody", "token-of-nobody"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
# The recordings' texts were cut at 800 characters; what was longer was longer than a limit.
CUT = "...[cut]"
UNCUT_BYTES = {"annotations over 256 KiB": 300_000, "body over 3 MiB": 3_200_000}
# Recorded seconds of a watch last this much shorter here.
WATCH_SPEED = 20.0


@dataclass
class Seen:
    """An answer: its frames where it was a stream, and how that ended."""

    status: int | None
    content_type: str | None = None
    body: Any = None
    warnings: tuple[str, ...] = ()
    retry_after: str | None = None
    frames: list[Any] | None = None
    rest: str = ""
    is_broken: bool = False


class Exchanger:
    """Keeps what the recording's uids, versions and continue tokens are called in the fake."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        self.names: dict[str, str] = {}
        # How much later the fake's log lines are written than the recorded ones.
        self.log_shift_ns = 0

    def send(self, exchange: Json, acting: Callable[[], None] | None = None) -> Seen:
        """`acting` does, while a stream is open, what others did in the recording."""
        request, step = exchange["request"], exchange["step"]
        target, _, query = request["path"].partition("?")
        headers = {"User-Agent": AGENT} | dict(request["headers"])
        if request["method"] == "PATCH" and headers.get("content-type") == "application/json":
            headers["content-type"] = _patch_type(request["body"], step)
        if request.get("as") == NOBODY:
            headers["Authorization"] = f"Bearer {NOBODY_TOKEN}"
        elif "as" in request:
            headers["Authorization"] = "Bearer nonsense"
        body = request["body"]
        if isinstance(body, dict | list):
            body = json.dumps(self._filled(self._translated(body), step))
        is_stream = "frames" in exchange["response"]
        url = f"{self.server.url}{target}?{urlencode(self._query(query, is_stream))}"
        try:
            with requests.request(
                request["method"], url, data=body, headers=headers, stream=is_stream, timeout=20
            ) as answer:
                return self._read(answer, exchange, acting)
        except requests.ConnectionError:
            return Seen(None)

    def expected(self, exchange: Json) -> Seen:
        """The recorded answer under the fake's names."""
        answer = exchange["response"]
        if "connection_error" in answer:
            return Seen(None)
        headers = answer.get("headers") or {}
        seen = Seen(answer["status"], answer["content_type"], self._translated(answer.get("body")))
        seen.warnings, seen.retry_after = tuple(headers.get("warning", ())), headers.get("retry-after")
        if "frames" in answer:
            seen.frames = [self._translated(frame["line"]) for frame in answer["frames"]]
            seen.rest = self.shifted(answer.get("rest_without_newline") or "")
            seen.is_broken = "broken" in answer["end"]["how"]
        return seen

    def learn(self, recorded: Any, seen: Any) -> None:
        """Take the fake's uids, versions and tokens from where the recording has its own."""
        if isinstance(recorded, dict) and isinstance(seen, dict):
            for key, value in recorded.items():
                if key in ("uid", "resourceVersion", "continue") and value and seen.get(key):
                    self.names[str(value)] = str(seen[key])
                self.learn(value, seen.get(key))
        elif isinstance(recorded, list) and isinstance(seen, list):
            for one, other in zip(recorded, seen, strict=False):
                self.learn(one, other)

    def shifted(self, text: str) -> str:
        """A recorded log text with its stamps as the fake wrote them."""
        return STAMP.sub(lambda found: self.shift_stamp(found[0]), text)

    def shift_stamp(self, stamp: str) -> str:
        return nanosecond_stamp(parse_nanoseconds(stamp) + self.log_shift_ns)

    def _read(self, answer: requests.Response, exchange: Json, acting: Callable[[], None] | None) -> Seen:
        seen = Seen(answer.status_code, answer.headers.get("Content-Type"))
        raw = answer.raw.headers.getlist("Warning")
        seen.warnings, seen.retry_after = tuple(raw), answer.headers.get("Retry-After")
        if "frames" not in exchange["response"]:
            is_json = seen.content_type == "application/json"
            seen.body = answer.json() if is_json else (answer.text or None)
            self.learn(exchange["response"].get("body"), seen.body)
            return seen
        actor = threading.Thread(target=acting) if acting else None
        if actor:
            actor.start()
        text = ""
        try:
            for chunk in answer.iter_content(None):
                text += chunk.decode()
        except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError):
            seen.is_broken = True
        if actor:
            actor.join()
        *lines, seen.rest = text.split("\n")
        is_watch = "watch" in exchange["request"]["path"]
        seen.frames = [json.loads(line) if is_watch else line for line in lines]
        self.learn([frame["line"] for frame in exchange["response"]["frames"]], seen.frames)
        return seen

    def _query(self, query: str, is_stream: bool) -> list[tuple[str, str]]:
        found = []
        for key, value in parse_qsl(query, keep_blank_values=True):
            translated = self._translated(value)
            if key == "sinceTime" and value.startswith("2026"):
                translated = self._shift_since(value)
            if key == "timeoutSeconds" and is_stream:
                translated = str(float(value) / WATCH_SPEED)
            found.append((key, translated))
        return found

    def _shift_since(self, stamp: str) -> str:
        whole = stamp if "." in stamp else stamp.replace("Z", ".000000000Z")
        return self.shift_stamp(whole)

    def _translated(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._translated(below) for key, below in value.items()}
        if isinstance(value, list):
            return [self._translated(one) for one in value]
        if not isinstance(value, str):
            return value
        for recorded, here in self.names.items():
            if len(recorded) > len("00000000") and recorded in value:  # uids and tokens, also inside texts
                value = value.replace(recorded, here)
        return self.names.get(value, self.shifted(value))

    def _filled(self, body: Any, step: str) -> Any:
        if not isinstance(body, dict):
            return body
        size = next((size for about, size in UNCUT_BYTES.items() if step.startswith(about)), None)
        if size is not None:
            body["metadata"]["annotations"]["k"] = "x" * size
        return body


def _patch_type(body: Any, step: str) -> str:
    """What the client sent where the recording has its default; that would be refused (415)."""
    if step == "server-side apply":
        return APPLY
    if "strategic" in step:
        return STRATEGIC
    return JSON_PATCH if isinstance(body, list) else MERGE


def nanoseconds_now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000_000)
