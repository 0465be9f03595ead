"""The main pod's log as it grows, each line once, across dropped streams."""

import threading
from collections.abc import Callable

import urllib3
from kubernetes.client.exceptions import ApiException

from ctr_assets.launch.kubernetes.client import ResourceClient

_RECONNECT_SECONDS = 0.5


class LogFollower:
    """Follows the log of a resource's main pod in a thread of its own and hands every line over once.

    A followed log may end for any reason, also with the pod (its end says nothing about success), so the stream is
    opened again from the last line's time until :meth:`stop`. Lines stamped before that, or equal to one already
    handed over under the same stamp, are dropped.
    """

    def __init__(self, client: ResourceClient, name: str, write: Callable[[str], object]) -> None:
        self._client, self._name, self._write = client, name, write
        self._stopping = threading.Event()
        self._last_stamp = ""
        self._seen_at_last: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"log-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Read what is left, then end."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            last_round = self._stopping.is_set()
            try:
                pod = self._client.main_pod(self._name)
                if pod is not None:
                    for line in self._client.log(
                        pod.metadata.name, since=self._last_stamp or None, follow=not last_round
                    ):
                        self._hand_over(line)
            except (ApiException, urllib3.exceptions.HTTPError):
                pass  # dropped, or the server is away: the next round continues after the last line
            if last_round:
                return
            self._stopping.wait(_RECONNECT_SECONDS)

    def _hand_over(self, line: str) -> None:
        stamp, _, text = line.partition(" ")
        if stamp < self._last_stamp or (stamp == self._last_stamp and text in self._seen_at_last):
            return
        if stamp != self._last_stamp:
            self._last_stamp, self._seen_at_last = stamp, set()
        self._seen_at_last.add(text)
        self._write(text + "\n")
