"""That a test which leaves something behind would fail."""

import subprocess
import sys

import fsspec
import pytest

from ctr_assets.launch.kubernetes.names import CODE_LOCATION
from ctr_assets_tests.launch.kubernetes.leftovers import LeftBehindError, nothing_left_behind
from ctr_assets_tests.launch.kubernetes.test_client import manifest_of


@pytest.fixture
def leave(fake, kind):
    """Create a resource of this test that nothing follows."""

    def leave():
        launcher = fake.launcher(kind)
        manifest = manifest_of(launcher.kind)
        manifest["metadata"]["labels"][CODE_LOCATION] = fake.code_location
        launcher.client().create(manifest)

    return leave


def test_a_resource_that_was_not_declared_is_a_failure_and_is_swept(fake, kind, processes, operator, leave):
    operator.scenario = "hang"
    with (
        pytest.raises(LeftBehindError, match=r"left behind: .*ctr-x"),
        nothing_left_behind(fake, processes),
    ):
        leave()
    assert fake.resources(kind) == []


def test_a_resource_that_was_declared_is_none(fake, kind, processes, operator, leave):
    operator.scenario = "hang"
    with nothing_left_behind(fake, processes, leaves_resources=True):
        leave()
    assert fake.resources(kind) == []


def test_a_message_of_no_resource_is_a_failure(fake, processes):
    store = fsspec.url_to_fs(fake.url)[0]
    left, message = r"left behind: .*ctr-y/1\.json", f"{fake.url}/pipes/ctr-y/1.json"
    with pytest.raises(LeftBehindError, match=left), nothing_left_behind(fake, processes):
        store.pipe_file(message, b"{}")
    store.rm(message)


def test_a_process_is_a_failure(fake, processes, monkeypatch):
    monkeypatch.setattr("ctr_assets_tests.launch.kubernetes.leftovers.ENDING_SECONDS", 0.5)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with (
            pytest.raises(LeftBehindError, match=r"left behind: .*sleep"),
            nothing_left_behind(fake, processes),
        ):
            pass
    finally:
        process.kill()
        process.wait()
