"""The main pod's log as it grows: each line once, whole and in order, across streams that break."""

import threading
import time
from collections import Counter, deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TextIO

import urllib3
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import RETRIED_STATUSES, ResourceClient, message_of
from ctr_assets.launch.kubernetes.log_stream import LogStream

RECONNECT_SECONDS: Final = 0.5
OVERLAP: Final = timedelta(seconds=1)
"""How far before the newest line a log is read again: a container's stdout and stderr are stamped by two writers, so
a line may come after one with a later stamp. The API server then floors what it is asked for to a whole second."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class LogFollower:
    """Follows the log of a resource's main pod in a thread of its own and writes every line to ``out`` at once.

    A followed log may end for any reason, cleanly and in the middle of a line (its end says nothing about success), so
    it is opened again, a little before its newest line, until :meth:`stop`. Of what then comes twice, as many equal
    lines are dropped as were written; a line without its end is kept until the rest of it comes, or cannot come.
    """

    def __init__(self, client: ResourceClient, name: str, out: TextIO) -> None:
        # What cannot be had now is asked for in the next round.
        self._client, self._name, self._out = replace(client, patience_seconds=0.0), name, out
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._stream: LogStream | None = None
        self._pod_uid = ""
        self._newest = _EPOCH
        self._recent: deque[tuple[datetime, str]] = deque()
        self._unfinished = ""
        self._thread = threading.Thread(target=self._run, name=f"log-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> bool:
        """Read what is left, then end. False when that took too long: then some of the last lines may be missing."""
        self._deadline = time.monotonic() + timeout_seconds
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.end()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._read(follow=True)
                self._stopping.wait(RECONNECT_SECONDS)
            while not self._read(follow=False) and time.monotonic() < self._deadline:
                time.sleep(RECONNECT_SECONDS)
            self._finish_line()
        except ApiException as refusal:
            self._write(f"The log of {self._name} cannot be read (HTTP {refusal.status}): {message_of(refusal)}")

    def _read(self, *, follow: bool) -> bool:
        """Read what is new; whether that was everything there is. Raises ApiException for a refusal."""
        try:
            pod = self._client.main_pod(self._name)
            if pod is None:
                return True
            if pod.metadata.uid != self._pod_uid:
                self._finish_line()
                self._pod_uid = pod.metadata.uid
            stream = self._client.open_log(pod.metadata.name, since=self._since(), follow=follow)
            if stream is None:
                return True
            # A log is asked for by the pod's name, and another pod of that name may have come meanwhile.
            now = self._client.main_pod(self._name)
            if now is not None and now.metadata.uid != self._pod_uid:
                stream.end()
                return False
            return self._take(stream, follow)
        except ApiException as e:
            if e.status not in RETRIED_STATUSES:
                raise
            return False
        except urllib3.exceptions.HTTPError:
            return False

    def _take(self, stream: LogStream, follow: bool) -> bool:
        self._stream = stream
        if follow and self._stopping.is_set():
            stream.end()
        written = Counter(line for _, line in self._recent)
        try:
            for line in stream:
                if written[line]:
                    written[line] -= 1
                else:
                    self._hand_over(line)
        finally:
            self._unfinished = stream.rest
        return True

    def _hand_over(self, line: str) -> None:
        stamp, text = _parse(line)
        self._write(text)
        # The runtime's own words, "unable to retrieve container logs …", carry no stamp.
        self._recent.append((stamp or self._newest, line))
        self._newest = max(self._newest, stamp or self._newest)
        while self._recent[0][0] < self._again_from():
            self._recent.popleft()

    def _finish_line(self) -> None:
        """Nobody will say the rest of it any more. What has no space is only the first part of a time stamp."""
        if " " in self._unfinished:
            self._write(_parse(self._unfinished)[1])
        self._unfinished = ""

    def _write(self, text: str) -> None:
        # A run worker's stdout is a file: without the flush, Python keeps 8 KiB of lines to itself.
        self._out.write(f"{text}\n")
        self._out.flush()

    def _since(self) -> str | None:
        return None if self._newest == _EPOCH else f"{self._again_from():%Y-%m-%dT%H:%M:%SZ}"

    def _again_from(self) -> datetime:
        """The second from which on lines come again, so from which on they are remembered."""
        return (self._newest - OVERLAP).astimezone(UTC).replace(microsecond=0)


def _parse(line: str) -> tuple[datetime | None, str]:
    """The time stamp, if there is one, and the text behind it."""
    stamp, _, text = line.partition(" ")
    try:
        time_of_line = datetime.fromisoformat(stamp)
    except ValueError:
        return None, line
    return (time_of_line, text) if time_of_line.tzinfo else (None, line)
