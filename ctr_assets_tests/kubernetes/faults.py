"""The ways in which the fake API server misbehaves on request."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ctr_assets_tests.kubernetes.errors import ApiError, forbidden, webhook_denied
from ctr_assets_tests.kubernetes.paths import ApiPath, Request

# What the real server says with these codes.
OUTAGES = {
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: etcdserver: leader changed"),
    502: (None, "bad gateway"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}
WEBHOOK = "policy.example.org"


@dataclass
class _Countdown:
    """Something that happens to the next `count` requests that `matches` picks."""

    count: int
    matches: Callable[[Request], bool]


@dataclass(frozen=True)
class LogCut:
    """Where a followed log ends too soon: after lines and some bytes of the next; with a last chunk if `cleanly`."""

    after_lines: int
    bytes_of_next: int = 0
    cleanly: bool = False


@dataclass
class Faults:
    """Set by a test, asked by the server at each request."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failures: list[tuple[_Countdown, ApiError]] = field(default_factory=list)
    _lost_answers: list[_Countdown] = field(default_factory=list)
    _log_cuts: list[LogCut] = field(default_factory=list)
    _denied_creates: list[tuple[str, str]] = field(default_factory=list)
    _forbidden: set[tuple[str, str, str | None]] = field(default_factory=set)

    def fail_next(self, count: int, status: int, headers: dict[str, str] | None, method: str | None, path: str) -> None:
        reason, message = OUTAGES[status]
        error = ApiError(status, message, reason, headers=headers or {})
        with self._lock:
            self._failures.append((_Countdown(count, _picks(method, path)), error))

    def lose_answers(self, count: int, method: str | None, path: str) -> None:
        with self._lock:
            self._lost_answers.append(_Countdown(count, _picks(method, path)))

    def cut_log_stream(self, cut: LogCut) -> None:
        with self._lock:
            self._log_cuts.append(cut)

    def deny_create(self, message: str, plural: str) -> None:
        with self._lock:
            self._denied_creates.append((plural, message))

    def forbid(self, verb: str, plural: str, user: str | None) -> None:
        with self._lock:
            self._forbidden.add((verb, plural, user))

    def clear(self) -> None:
        with self._lock:
            for each in (self._failures, self._lost_answers, self._log_cuts, self._denied_creates):
                each.clear()
            self._forbidden.clear()

    def raise_failure(self, request: Request) -> None:
        with self._lock:
            for countdown, error in self._failures:
                if _strikes(countdown, request):
                    raise error

    def loses_answer(self, request: Request) -> bool:
        with self._lock:
            return any(_strikes(countdown, request) for countdown in self._lost_answers)

    def next_log_cut(self) -> LogCut | None:
        """For a log stream that opens now: where it is cut off, if it is."""
        with self._lock:
            return self._log_cuts.pop(0) if self._log_cuts else None

    def raise_denial(self, path: ApiPath) -> None:
        with self._lock:
            for plural, message in self._denied_creates:
                if plural in ("*", path.plural):
                    raise webhook_denied(WEBHOOK, message)

    def raise_forbidden(self, user: str, verb: str, path: ApiPath) -> None:
        asked = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
        with self._lock:
            for bad_verb, bad_plural, bad_user in self._forbidden:
                if bad_verb in ("*", verb) and bad_plural in ("*", asked) and bad_user in (None, user):
                    raise forbidden(user, verb, path)


def _picks(method: str | None, path: str) -> Callable[[Request], bool]:
    return lambda request: method in (None, request.method) and path in request.path


def _strikes(countdown: _Countdown, request: Request) -> bool:
    if countdown.count < 1 or not countdown.matches(request):
        return False
    countdown.count -= 1
    return True
