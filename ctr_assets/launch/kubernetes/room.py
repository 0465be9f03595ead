"""Waiting for room: a quota that is used up is no failure, as a queue is none."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import ResourceClient, message_of
from ctr_assets.launch.kubernetes.failure import is_over_quota
from ctr_assets.launch.kubernetes.pauses import growing_pauses

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 60.0


class Room:
    """Waits in growing pauses, says so, and gives up after ``limit_seconds`` of waiting in all."""

    def __init__(self, limit_seconds: float, warn: Callable[[str], None], at_each_try: Callable[[], None]) -> None:
        """``at_each_try`` may raise to stop the waiting."""
        self._limit_seconds, self._warn, self._at_each_try = limit_seconds, warn, at_each_try
        self._pauses: Iterator[float] = growing_pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._deadline: float | None = None

    def wait(self, message: str) -> bool:
        """Wait for the next try; False when the limit is over."""
        pause, now = next(self._pauses), time.monotonic()
        self._deadline = now + self._limit_seconds if self._deadline is None else self._deadline
        if now + pause > self._deadline:
            return False
        self._warn(f"No room: {message}; trying again in {pause:.0f} s")
        time.sleep(pause)
        self._at_each_try()
        return True

    def create(self, client: ResourceClient, manifest: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """As the client's, but a refusal for a quota is waited for."""
        while True:
            try:
                return client.create(manifest)
            except ApiException as e:
                if not is_over_quota(message_of(e)) or not self.wait(message_of(e)):
                    raise
