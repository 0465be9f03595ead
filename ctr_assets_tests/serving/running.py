"""A real server as a process of its own on free ports, and what a client of it does."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import requests

from ctr_assets.serving.session import PROBABILITY, SAMPLE_NAME
from ctr_assets.storage import Manifest, Store

START_SECONDS = 60.0
MAX_ROWS = 2_000
MAX_BODY_BYTES = 1 << 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(is_so: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
    """The first true answer. Fails the test after so long."""
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"not so after {seconds} s: {is_so}"
        time.sleep(0.02)
    return found


class Server:
    """A context manager; SIGTERM at its end. ``name`` is the model's."""

    name = "ctr"

    def __init__(self, store_url: str, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.http_port, self.grpc_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self._command = [sys.executable, "-m", "ctr_assets.serving", "--store-url", store_url, "--poll-seconds", "1"]
        self._command += ["--http-port", str(self.http_port), "--grpc-port", str(self.grpc_port)]
        self._command += ["--max-rows", str(MAX_ROWS), "--max-body-bytes", str(MAX_BODY_BYTES), *options]
        self._environment = {**os.environ, **(environment or {})}
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log, env=self._environment)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def is_live(self) -> bool:
        assert self.process.poll() is None, self.log()
        return self._status("/v2/health/live") == 200

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log()
        return self._status(f"/v2/models/{self.name}/ready") == 200

    def _status(self, path: str) -> int:
        try:
            return requests.get(self.url + path, timeout=10).status_code
        except requests.ConnectionError:
            return 0

    def ready(self) -> Self:
        until(self.is_ready)
        return self

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/v1/models/{self.name}:predict", json={"instances": rows}, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def version(self) -> str:
        """Of the model that answers."""
        return str(requests.get(f"{self.url}/v2/models/{self.name}", timeout=10).json()["versions"][0])

    def metric(self, sample: str) -> float:
        """Value of a sample of ``/metrics``, its labels written as Prometheus does; 0 when there is none."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0


def sample_of(store: Store, committed: Manifest) -> tuple[list[dict[str, str]], list[float]]:
    """The rows that are kept beside a model, and what the trained model says of each."""
    with store.parquet(committed, store.file(committed, SAMPLE_NAME)) as parquet:
        sample: pa.Table = parquet.read()
    return sample.drop([PROBABILITY]).to_pylist(), sample[PROBABILITY].to_pylist()
