"""Runs that cannot be launched yet, tried again in growing pauses by a thread of their own."""

import threading
import time
from collections.abc import Callable
from typing import Final

from ctr_assets.launch.kubernetes.pauses import growing_pauses

FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 30.0


class PendingLaunches:
    """The queue goes on meanwhile: one run whose turn has not come holds up no other."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds

    def add(self, run_id: str, launch: Callable[[], bool], give_up: Callable[[], None]) -> None:
        """``launch`` until it returns True, ``give_up`` when that takes longer than the limit."""
        thread = threading.Thread(target=self._try, args=(launch, give_up), name=f"launch-{run_id}", daemon=True)
        thread.start()

    def _try(self, launch: Callable[[], bool], give_up: Callable[[], None]) -> None:
        deadline = time.monotonic() + self._limit_seconds
        for pause in growing_pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
            time.sleep(pause)
            if launch():
                return
            if time.monotonic() > deadline:
                give_up()
                return
