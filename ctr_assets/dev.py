"""Dagster's UI and daemon on this machine, as ``make dev`` runs them.

    python -m ctr_assets.dev --port 3000

``dg dev`` does the work. This module lets its warnings and errors through, says where the UI is once it answers, and
ends all of it at one Ctrl-C.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

_PROJECT: Final = Path(__file__).parents[1]
"""Where pyproject.toml says what the definitions are."""

_POLL_SECONDS: Final = 0.2

_END_SECONDS: Final = 20.0
"""For the runs in progress to end their jobs and to say in the instance that they were interrupted."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ctr_assets.dev", description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="port of the UI (default 3000)")
    port = parser.parse_args(argv).port
    if _in_use(port):
        parser.error(f"port {port} is in use: stop what has it, or choose another with make dev PORT={port + 1}")
    # SIGINT too: a process that was started in the background begins with it ignored, and hands that on.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    print(f"Starting Dagster on {os.environ.get('DAGSTER_HOME', 'a temporary instance')} ...", flush=True)
    return serve(port)


def serve(port: int) -> int:
    """Run until Ctrl-C, which is 0, or until Dagster ends by itself, which is its exit status."""
    # A session of its own: a terminal tells all of its processes of Ctrl-C, and those that start print tracebacks.
    dagster = subprocess.Popen(
        [Path(sys.executable).with_name("dg"), "dev", "--no-check-yaml", "--log-level", "warning", "--port", str(port)],
        cwd=_PROJECT,
        start_new_session=True,
    )
    try:
        while dagster.poll() is None and not _answers(port):
            time.sleep(_POLL_SECONDS)
        if dagster.poll() is None:
            print(f"\nDagster UI: http://localhost:{port}    Ctrl-C ends it", flush=True)
        return dagster.wait()
    except KeyboardInterrupt:
        print("\nStopping Dagster ...", flush=True)
        return 0
    finally:
        _end(dagster)
        print("Dagster has ended. Next: make dev, which goes on where it was, or make serve", flush=True)


def _end(dagster: subprocess.Popen[bytes]) -> None:
    """End the webserver and the daemon as Dagster does, then its code servers and runs, which it would leave to end."""
    if dagster.poll() is None:
        dagster.send_signal(signal.SIGINT)
        dagster.wait()
    deadline = time.monotonic() + _END_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.killpg(dagster.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(dagster.pid, 0)
            time.sleep(_POLL_SECONDS)


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    raise SystemExit(main())
