"""The log of each container: lines with nanosecond stamps, for those who write it and those who follow it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ctr_assets_tests.kubernetes.timestamps import nanosecond_stamp


@dataclass(frozen=True)
class LogLine:
    time_ns: int
    data: bytes

    def render(self, with_timestamp: bool) -> bytes:
        return f"{nanosecond_stamp(self.time_ns)} ".encode() + self.data if with_timestamp else self.data


@dataclass
class ContainerLog:
    """Append-only. `is_open` until the container has ended; followers end with it."""

    lines: list[LogLine] = field(default_factory=list)
    is_open: bool = True
    changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, data: bytes, time_ns: int | None = None) -> None:
        """One line, with its newline unless it is a last one without."""
        with self.changed:
            self.lines.append(LogLine(time_ns or time.time_ns(), data))
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.is_open = False
            self.changed.notify_all()

    def read(self, since_ns: int = 0, tail: int | None = None) -> list[LogLine]:
        with self.changed:
            found = [line for line in self.lines if line.time_ns >= since_ns]
        return found if tail is None else found[len(found) - min(tail, len(found)) :]

    def follow(self, since_ns: int, tail: int | None, is_over: Callable[[], bool]) -> Iterator[LogLine]:
        """What is there when it is asked, then what comes, until the container ends or `is_over`."""
        with self.changed:
            return self._go_on(self.read(since_ns, tail), len(self.lines), is_over)

    def _go_on(self, first: list[LogLine], done: int, is_over: Callable[[], bool]) -> Iterator[LogLine]:
        yield from first
        while True:
            with self.changed:
                while len(self.lines) == done and self.is_open and not is_over():
                    self.changed.wait(0.25)
                fresh = self.lines[done:]
                if is_over() or not (fresh or self.is_open):
                    return
                done += len(fresh)
            yield from fresh


class Logs:
    """The logs of all containers, by pod uid and container; `previous` is the log of the run before a restart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: dict[tuple[str, str], ContainerLog] = {}
        self._previous: dict[tuple[str, str], ContainerLog] = {}

    def of(self, pod_uid: str, container: str) -> ContainerLog:
        with self._lock:
            return self._current.setdefault((pod_uid, container), ContainerLog())

    def previous(self, pod_uid: str, container: str) -> ContainerLog | None:
        with self._lock:
            return self._previous.get((pod_uid, container))

    def restart(self, pod_uid: str, container: str) -> ContainerLog:
        """A new, empty log; the one so far becomes the previous."""
        self.of(pod_uid, container).close()
        with self._lock:
            self._previous[pod_uid, container] = self._current.pop((pod_uid, container))
        return self.of(pod_uid, container)

    def close_pod(self, pod_uid: str) -> None:
        """End all followers of a pod."""
        with self._lock:
            logs = [log for (uid, _), log in self._current.items() if uid == pod_uid]
        for log in logs:
            log.close()
