"""Dagster as ``make dev`` starts it, on a folder of its own, and a browser to look at it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ctr_assets_tests.deploy.ports import free_port
from ctr_assets_tests.deploy.webserver import Webserver
from ctr_assets_tests.launch.test_process_launcher import wait_until
from ctr_assets_tests.processes import processes_with
from ctr_assets_tests.system_packages import find_program

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROJECT = Path(__file__).parents[2]
START_SECONDS = STOP_SECONDS = 120.0


@contextlib.contextmanager
def dagster_dev(home: Path) -> Iterator[str]:
    """Webserver, daemon and code location on ``home/landing`` and ``home/store``; yields the URL. Leaves no process.

    What it prints is in ``home/dagster-dev.log``.
    """
    instance = home / "dagster"
    instance.mkdir(parents=True, exist_ok=True)
    if not (instance / "dagster.yaml").exists():
        shutil.copy(PROJECT / "deploy/laptop/dagster.yaml", instance)
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(instance),
        "CTR_LANDING_URL": str(home / "landing"),
        "CTR_STORE_URL": str(home / "store"),
    }
    command = [sys.executable, "-m", "ctr_assets.dev", "--port", str(port)]
    with (home / "dagster-dev.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
    try:
        wait_until(Webserver(url).answers, seconds=START_SECONDS)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=STOP_SECONDS)
        for left in processes_with("DAGSTER_HOME", str(instance)):
            os.kill(int(left.name), signal.SIGKILL)


@contextlib.contextmanager
def chromium() -> "Iterator[Browser]":
    """Debian's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
