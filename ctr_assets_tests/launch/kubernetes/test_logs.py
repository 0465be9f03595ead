"""Following a log over real HTTP: every line once, in order and whole, however often the stream is cut."""

import io
import random
import threading

import pytest

from ctr_assets.launch.kubernetes import log_stream, logs
from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.kinds import SPARK_APPLICATION
from ctr_assets.launch.kubernetes.logs import LogFollower
from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.manifests import pod
from ctr_assets_tests.kubernetes.resources import PODS
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.launch.kubernetes.test_client import NAMESPACE
from ctr_assets_tests.launch.test_process_launcher import wait_until

NAME = "ctr-x"
SECOND_NS = 1_000_000_000
START_NS = 1_760_000_000 * SECOND_NS
LINES = [f"line {number}" for number in range(12)]
LINES_OF_A_THOUSAND_BREAKS = 2_500
STAMP_BYTES = len("2026-11-22T08:13:17.327456122Z ")


@pytest.fixture
def server():
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def out(monkeypatch):
    """What the followers write. They reconnect at once."""
    monkeypatch.setattr(logs, "RECONNECT_SECONDS", 0.02)
    return io.StringIO()


@pytest.fixture
def follower(server, out):
    follower = LogFollower(ResourceClient(server.client(), NAMESPACE, SPARK_APPLICATION), NAME, out)
    yield follower
    follower.stop()


def put_driver(server):
    """A running driver, and its log."""
    manifest = pod(
        f"{NAME}-driver",
        SPARK_APPLICATION.container,
        namespace=NAMESPACE,
        labels={SPARK_APPLICATION.pod_label: NAME, **SPARK_APPLICATION.main_pod},
    )
    created = server.store.create(PODS, manifest | {"status": {"phase": "Pending"}})
    for change in (pod_states.schedule, pod_states.run):
        server.store.edit(PODS, NAMESPACE, f"{NAME}-driver", change)
    return server.logs.of(created["metadata"]["uid"], SPARK_APPLICATION.container)


def write(log, lines, first=0):
    """Lines a tenth of a second apart by their stamps."""
    for number, line in enumerate(lines, first):
        log.write(f"{line}\n".encode(), START_NS + number * SECOND_NS // 10)


def written(out):
    return out.getvalue().splitlines()


@pytest.mark.parametrize("cleanly", [False, True], ids=["broken", "ended cleanly"])
@pytest.mark.parametrize(
    "bytes_of_next", [0, 10, STAMP_BYTES, STAMP_BYTES + 3], ids=["between lines", "in a stamp", "after it", "in a line"]
)
def test_a_stream_that_is_cut_again_and_again_gives_every_line_once(server, follower, out, bytes_of_next, cleanly):
    log = put_driver(server)
    write(log, LINES)
    for after_lines in (0, 3, 5, 9):
        server.drop_log_streams(after_lines, bytes_of_next=bytes_of_next, cleanly=cleanly)
    follower.start()
    wait_until(lambda: written(out) == LINES)
    assert len(server.requests_of("GET", "/log")) >= 5
    assert follower.stop()
    assert written(out) == LINES


@pytest.mark.long
def test_a_thousand_breaks_at_random_moments_give_every_line_once_and_in_order(server, follower, out, monkeypatch):
    monkeypatch.setattr(logs, "RECONNECT_SECONDS", 0.0)
    chance = random.Random(1)
    log, moment, said = put_driver(server), START_NS, list[str]()
    for number in range(LINES_OF_A_THOUSAND_BREAKS):
        # Some lines share a stamp, some are a second apart, and few fall on a whole one.
        moment += chance.choice([0, 1_000, chance.randrange(SECOND_NS // 20), chance.randrange(2 * SECOND_NS)])
        said.append(chance.choice([f"line {number}", "again"]))
        log.write(f"{said[-1]}\n".encode(), moment)
    for _ in range(LINES_OF_A_THOUSAND_BREAKS):
        server.drop_log_streams(chance.randrange(12), bytes_of_next=chance.randrange(40), cleanly=chance.random() < 0.5)
    follower.start()
    wait_until(lambda: len(written(out)) >= len(said), seconds=120)
    assert len(server.requests_of("GET", "/log")) > 1_000
    server.clear_faults()
    assert follower.stop()
    assert written(out) == said


def test_lines_that_come_between_two_streams_are_not_missed(server, follower, out):
    log = put_driver(server)
    server.drop_log_streams(2, times=3)
    follower.start()
    for number, line in enumerate(LINES):
        write(log, [line], number)
        if number % 3 == 0:
            wait_until(lambda number=number: written(out) == LINES[: number + 1])
    wait_until(lambda: written(out) == LINES)


def test_equal_lines_under_one_stamp_are_all_there_and_none_twice(server, follower, out):
    log = put_driver(server)
    for _ in range(3):
        log.write(b"again\n", START_NS)
    server.drop_log_streams(1, times=2)
    follower.start()
    wait_until(lambda: written(out) == ["again"] * 3)
    assert follower.stop()
    assert written(out) == ["again"] * 3


def test_a_line_with_an_earlier_stamp_than_the_one_before_it_is_kept(server, follower, out):
    log = put_driver(server)
    log.write(b"to stdout\n", START_NS + 2000)
    log.write(b"to stderr\n", START_NS + 1000)
    server.drop_log_streams(1)
    follower.start()
    wait_until(lambda: written(out) == ["to stdout", "to stderr"])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_delays_lines_and_loses_none(server, follower, out, status):
    log = put_driver(server)
    write(log, LINES[:6])
    server.drop_log_streams(3)
    server.fail_next(3, status=status, path_contains="/log")
    server.fail_next(2, status=status, path_contains="/pods")
    follower.start()
    write(log, LINES[6:], 6)
    wait_until(lambda: written(out) == LINES)


def test_an_outage_in_the_middle_of_the_log_changes_nothing(server, follower, out):
    log = put_driver(server)
    follower.start()
    write(log, LINES[:6])
    wait_until(lambda: written(out) == LINES[:6])
    with server.away():
        write(log, LINES[6:9], 6)
    write(log, LINES[9:], 9)
    wait_until(lambda: written(out) == LINES)


def test_a_failure_of_the_very_last_look_is_repeated(server, follower, out):
    log = put_driver(server)
    follower.start()
    write(log, LINES[:6])
    wait_until(lambda: written(out) == LINES[:6])
    server.drop_log_streams(0, times=1000)
    server.fail_next(3, status=500, path_contains="/log")
    write(log, LINES[6:], 6)
    assert follower.stop()
    assert written(out) == LINES


def test_a_container_that_starts_again_goes_on_in_the_same_log(server, follower, out):
    log = put_driver(server)
    follower.start()
    write(log, LINES[:6])
    wait_until(lambda: written(out) == LINES[:6])
    (driver,) = follower._client.pods(NAME)
    write(server.logs.restart(driver.metadata.uid, SPARK_APPLICATION.container), LINES[6:], 6)
    wait_until(lambda: written(out) == LINES)


def test_a_pod_that_is_replaced_goes_on_and_its_last_words_are_kept(server, follower, out):
    log = put_driver(server)
    follower.start()
    write(log, LINES[:6])
    log.write(b"last words", START_NS + SECOND_NS)
    log.close()
    wait_until(lambda: written(out) == LINES[:6])
    wait_until(lambda: follower._unfinished.endswith("last words"))
    server.store.remove((PODS, NAMESPACE, f"{NAME}-driver"))
    write(put_driver(server), LINES[6:], 20)
    wait_until(lambda: written(out) == [*LINES[:6], "last words", *LINES[6:]])


def test_a_pod_that_is_replaced_just_before_its_log_is_opened_keeps_its_last_words(server, follower, out, monkeypatch):
    log = put_driver(server)
    write(log, LINES[:6])
    log.write(b"last words", START_NS + SECOND_NS)
    log.close()
    open_log, replaced = ResourceClient.open_log, threading.Event()

    def open_late(client, *args, **kwargs):
        if follower._unfinished.endswith("last words") and not replaced.is_set():
            replaced.set()
            server.store.remove((PODS, NAMESPACE, f"{NAME}-driver"))
            write(put_driver(server), LINES[6:], 20)
        return open_log(client, *args, **kwargs)

    monkeypatch.setattr(ResourceClient, "open_log", open_late)
    follower.start()
    wait_until(lambda: written(out) == [*LINES[:6], "last words", *LINES[6:]])
    assert replaced.is_set()


def test_the_last_line_may_lack_its_newline(server, follower, out):
    log = put_driver(server)
    follower.start()
    log.write(b"unfinished", START_NS)
    log.close()
    wait_until(lambda: server.requests_of("GET", "/log") != [])
    assert follower.stop()
    assert out.getvalue() == "unfinished\n"


def test_stopping_does_not_wait_for_a_pod_that_runs_on(server, follower, out):
    log = put_driver(server)
    follower.start()
    write(log, LINES)
    wait_until(lambda: written(out) == LINES)
    assert follower.stop(timeout_seconds=5)


def test_a_connection_that_is_lost_without_a_word_is_opened_again(server, follower, out, monkeypatch):
    monkeypatch.setattr("ctr_assets.launch.kubernetes.client.SILENCE_SECONDS", 0.3)
    log = put_driver(server)
    follower.start()
    wait_until(lambda: len(server.requests_of("GET", "/log")) >= 2)
    write(log, LINES)
    wait_until(lambda: written(out) == LINES)


def test_a_missing_right_is_said_once(server, follower, out):
    put_driver(server)
    server.forbid("get", "pods/log")
    follower.start()
    wait_until(lambda: out.getvalue() != "")
    assert follower.stop()
    assert out.getvalue().count("The log of ctr-x cannot be read (HTTP 403)") == 1
    assert 'cannot get resource "pods/log"' in out.getvalue()


def test_the_runtime_s_own_words_have_no_stamp():
    assert logs._parse("unable to retrieve container logs for containerd://1") == (
        None,
        "unable to retrieve container logs for containerd://1",
    )
    assert logs._parse("2026-11-22 is a day")[1] == "2026-11-22 is a day"


def test_a_stream_that_has_ended_can_be_ended_again(server):
    write(put_driver(server), LINES)
    client = ResourceClient(server.client(), NAMESPACE, SPARK_APPLICATION)
    stream = client.open_log(f"{NAME}-driver")
    assert isinstance(stream, log_stream.LogStream)
    assert len(list(stream)) == len(LINES)
    stream.end()
