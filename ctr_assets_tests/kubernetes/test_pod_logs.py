"""The log endpoint of the fake API server: options, followers, streams that break."""

import time
from collections.abc import Iterator
from typing import Any

import kubernetes.client
import kubernetes.config
import kubernetes.watch
import pytest
import urllib3

from ctr_assets_tests.kubernetes.client_calls import (
    put_running_pod,
)
from ctr_assets_tests.kubernetes.manifests import NAMESPACE, pod
from ctr_assets_tests.kubernetes.server import FakeApiServer


@pytest.fixture
def talking(api_server: FakeApiServer) -> Iterator[Any]:
    """A running pod and its log."""
    found = put_running_pod(api_server, "talker")
    log = api_server.logs.of(found["metadata"]["uid"], "main")
    yield log
    log.close()


def read_lines(core: kubernetes.client.CoreV1Api, **options: Any) -> list[str]:
    answer = core.read_namespaced_pod_log("talker", NAMESPACE, _preload_content=False, **options)
    return [line.decode() for line in answer.data.splitlines()]


def test_a_followed_log_brings_lines_as_they_come_and_ends_with_the_container(
    api_server: FakeApiServer, core: kubernetes.client.CoreV1Api, talking: Any
) -> None:
    talking.write(b"one\n")
    answer = core.read_namespaced_pod_log("talker", NAMESPACE, follow=True, _preload_content=False)
    chunks = answer.stream()
    assert next(chunks) == b"one\n"
    talking.write(b"two\n")
    assert next(chunks) == b"two\n"
    talking.write(b"unfinished")
    talking.close()
    assert b"".join(chunks) == b"unfinished"


def test_log_options_cut_the_log(core: kubernetes.client.CoreV1Api, talking: Any) -> None:
    for i in range(5):
        talking.write(f"line {i}\n".encode(), time.time_ns() - (5 - i) * 1_000_000_000)
    assert read_lines(core, tail_lines=2) == ["line 3", "line 4"]
    assert read_lines(core, limit_bytes=4) == ["line"]
    assert read_lines(core, since_seconds=3) == ["line 3", "line 4"]
    stamp, _, text = read_lines(core, timestamps=True, tail_lines=1)[0].partition(" ")
    assert (len(stamp), text) == (len("2026-11-22T08:13:17.327456122Z"), "line 4")


def test_a_dropped_log_stream_breaks_off_and_can_be_taken_up_again(
    api_server: FakeApiServer, core: kubernetes.client.CoreV1Api, talking: Any
) -> None:
    for i in range(4):
        talking.write(f"line {i}\n".encode())
    talking.close()
    api_server.drop_log_streams(after_lines=2)
    answer = core.read_namespaced_pod_log("talker", NAMESPACE, follow=True, _preload_content=False)
    got = []
    with pytest.raises(urllib3.exceptions.ProtocolError):
        got.extend(answer.stream())
    again = core.read_namespaced_pod_log("talker", NAMESPACE, follow=True, _preload_content=False)
    assert b"".join(again.stream()) == b"line 0\nline 1\nline 2\nline 3\n"


def test_the_log_of_a_pod_without_a_node_is_empty(api_server: FakeApiServer, core: kubernetes.client.CoreV1Api) -> None:
    core.create_namespaced_pod(NAMESPACE, pod("waiting"))
    answer = core.read_namespaced_pod_log_with_http_info("waiting", NAMESPACE, _preload_content=False)
    assert (answer[1], answer[0].data) == (204, b"")
