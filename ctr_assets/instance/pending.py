"""Runs that have not started yet: what they wait for is asked in growing pauses, each in a thread of its own."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ctr_assets.launch.kubernetes.pauses import growing_pauses


@dataclass(frozen=True)
class Wait:
    """Ask ``is_over`` in growing pauses until it is, and ``give_up`` when that takes longer than the limit."""

    is_over: Callable[[], bool]
    first_pause_seconds: float
    longest_pause_seconds: float
    limit_seconds: float = math.inf
    give_up: Callable[[], None] = lambda: None

    def go_through(self) -> None:
        deadline = time.monotonic() + self.limit_seconds
        for pause in growing_pauses(self.first_pause_seconds, self.longest_pause_seconds):
            time.sleep(pause)
            if self.is_over():
                return
            if time.monotonic() > deadline:
                self.give_up()
                return


def wait_aside(run_id: str, waits: Sequence[Wait]) -> None:
    """One after the other. The queue goes on meanwhile: a run whose turn has not come holds up no other."""

    def go_through() -> None:
        for wait in waits:
            wait.go_through()

    threading.Thread(target=go_through, name=f"launch-{run_id}", daemon=True).start()
