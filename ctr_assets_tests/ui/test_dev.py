"""What ``make dev`` prints, and what it leaves behind."""

import re
import socket
import subprocess
import sys

import pytest

from ctr_assets_tests.deploy.webserver import Webserver
from ctr_assets_tests.launch.test_process_launcher import wait_until
from ctr_assets_tests.processes import processes_with
from ctr_assets_tests.ui.dagster_dev import PROJECT, START_SECONDS, STOP_SECONDS, dagster_dev


@pytest.mark.minutes
@pytest.mark.timeout(600)
def test_it_prints_where_the_ui_is_and_no_warning(tmp_path):
    with dagster_dev(tmp_path) as url:
        wait_until(lambda: Webserver(url).loaded_locations() == {"ctr_assets.definitions"}, seconds=START_SECONDS)
        port = url.rpartition(":")[2]
        *_, last = (tmp_path / "dagster-dev.log").read_text().strip().splitlines()
        assert last == f"Dagster UI: http://localhost:{port}    Ctrl-C ends it"
    printed = (tmp_path / "dagster-dev.log").read_text()
    assert re.findall(r".*(?:warning|traceback|error).*", printed, re.IGNORECASE) == []
    assert "Stopping Dagster" in printed
    assert list(processes_with("DAGSTER_HOME", str(tmp_path / "dagster"))) == []


def test_a_port_that_is_in_use_is_named_before_anything_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "ctr_assets.dev", "--port", str(port)]
        run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=STOP_SECONDS)
    assert run.returncode == 2
    assert f"port {port} is in use" in run.stderr
    assert f"make dev PORT={port + 1}" in run.stderr
