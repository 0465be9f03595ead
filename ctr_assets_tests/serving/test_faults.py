"""What goes wrong around a server, and that it goes on: killed while it loads, a store that is away."""

import os
import time
from pathlib import Path

import onnx
import pytest

from ctr_assets.serving.session import MODEL_NAME
from ctr_assets.storage import Store
from ctr_assets_tests.serving.conftest import DAYS, crown, export_champion, files_of, publish
from ctr_assets_tests.serving.running import Server, sample_of, until

pytestmark = pytest.mark.long

PADDING_BYTES = 100 << 20
TOLERANCE = 1e-5


@pytest.fixture
def files(store):
    crown(store, DAYS[0])
    return files_of(store, export_champion(store)[0])


@pytest.fixture
def asked(store, files):
    """(rows, what the trained model says of each)"""
    return sample_of(store, store.manifest("serving_model", "current"))


def answers_well(server, asked):
    rows, expected = asked
    return server.predict(rows)["predictions"] == pytest.approx(expected, abs=TOLERANCE)


def test_killed_while_it_loads_it_starts_again_and_nothing_is_left_behind(gcs, files, asked, tmp_path):
    """The model is large enough that its copy from the bucket takes a while: the kill comes in the middle of it."""
    remote = Store(f"{gcs.uri}/store")
    first = publish(remote, files, DAYS[0])
    model = onnx.load_from_string(files[MODEL_NAME])
    model.metadata_props.add(key="padding", value="x" * PADDING_BYTES)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    server = Server(remote.url, environment={**gcs.environment, "TMPDIR": str(scratch)})

    def copies():
        return [path for path in scratch.rglob("*") if path.name.startswith(MODEL_NAME)]

    with server:
        server.ready()
        assert server.version() == first.version
        assert copies() == []
        second = publish(remote, {**files, MODEL_NAME: model.SerializeToString()}, DAYS[1])
        until(copies)
        server.kill()
        assert copies()
    with server:
        server.ready()
        assert server.version() == second.version
        assert copies() == []
        assert answers_well(server, asked)


def test_a_store_whose_folder_is_away_changes_nothing(store, files, asked):
    with Server(store.url) as server:
        server.ready()
        version = server.version()
        away = Path(store.url).with_name("away")
        os.rename(store.url, away)
        until(lambda: "no serving_model is committed" in server.log())
        assert answers_well(server, asked)
        os.rename(away, store.url)
        until(lambda: "the store answers again" in server.log())
        assert server.version() == version
        assert server.metric("ctr_model_refused_total") == 0
        newer = publish(store, files, DAYS[1])
        until(lambda: server.version() == newer.version)


def test_a_truncated_file_is_refused_while_requests_go_on(store, files, asked):
    with Server(store.url) as server:
        server.ready()
        version = server.version()
        publish(store, {**files, MODEL_NAME: files[MODEL_NAME][:-1000]}, DAYS[1])
        until(lambda: server.metric("ctr_model_refused_total") == 1)
        looked = server.metric("ctr_store_last_answer_timestamp_seconds")
        until(lambda: server.metric("ctr_store_last_answer_timestamp_seconds") > looked + 2)
        assert server.metric("ctr_model_refused_total") == 1, "it is not tried again at each look"
        assert server.version() == version
        assert answers_well(server, asked)


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.minutes)])
def test_a_bucket_that_does_not_answer_changes_nothing(gcs, gcs_emulator, files, asked, seconds):
    remote = Store(f"{gcs.uri}/store")
    first = publish(remote, files, DAYS[0])
    with Server(remote.url, environment=gcs.environment) as server:
        server.ready()
        answered = 0
        gcs_emulator.__exit__()
        try:
            ended = time.monotonic() + seconds
            while time.monotonic() < ended:
                assert answers_well(server, asked)
                answered += 1
            last_answer = server.metric("ctr_store_last_answer_timestamp_seconds")
        finally:
            gcs_emulator.__enter__()
        print(f"{answered} requests answered while the bucket was away for {seconds} s")  # noqa: T201
        assert time.time() - last_answer > seconds - 2
        assert server.is_ready()
        assert server.version() == first.version
        second = publish(remote, files, DAYS[1])
        until(lambda: server.version() == second.version, 120)
        assert server.metric("ctr_model_refused_total") == 0
