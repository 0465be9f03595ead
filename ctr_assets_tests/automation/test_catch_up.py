"""Which days the daily safety net asks for."""

import os

import pytest

from ctr_assets.automation.catch_up import days_to_catch_up
from ctr_assets.automation.rules import WaitFor, WatchRules
from ctr_assets.landing.zone import LandingZone
from ctr_assets_tests.automation.watching import DAYS, write

NOW = 2_000_000_000.0


@pytest.fixture
def landing(tmp_path):
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def asked(landing, done=(), **rules):
    zone = LandingZone(str(landing))
    to_run = days_to_catch_up(zone, WatchRules(DAYS, **rules), set(done), now=NOW, tick="morning")
    return [run.first if run.first == run.last else (run.first, run.last) for run in to_run]


def deliver(landing, day, at=NOW - 3600):
    os.utime(write(landing, f"day={day}/a.csv"), (at, at))


def test_nothing_delivered_is_nothing_to_catch_up(landing):
    assert asked(landing) == []


def test_delivered_days_that_are_not_done(landing):
    for day in DAYS[:3]:
        deliver(landing, day)
    assert asked(landing, done=[DAYS[0], DAYS[2]]) == [DAYS[1]]
    assert asked(landing, done=DAYS[:3]) == []


def test_a_missing_day_before_a_delivered_one(landing):
    for day in (DAYS[0], DAYS[2]):
        deliver(landing, day)
    assert asked(landing, done=[DAYS[0]]) == [DAYS[1], DAYS[2]]
    assert asked(landing, done=[DAYS[0], DAYS[2]]) == [DAYS[1]]


def test_a_day_that_is_still_growing_is_left_to_the_watch(landing):
    deliver(landing, DAYS[0])
    deliver(landing, DAYS[1], at=NOW - 1)
    deliver(landing, DAYS[2])
    assert asked(landing) == [DAYS[0]]


def test_a_day_without_its_marker_is_left_to_the_watch(landing):
    deliver(landing, DAYS[0])
    assert asked(landing, wait_for=WaitFor.SUCCESS_MARKER) == []
    os.utime(write(landing, f"day={DAYS[0]}/_SUCCESS"), (NOW, NOW))
    assert asked(landing, wait_for=WaitFor.SUCCESS_MARKER) == [DAYS[0]]


def test_archives_deliver_every_day(landing):
    os.utime(write(landing, "train.gz"), (NOW - 3600,) * 2)
    assert asked(landing, done=DAYS[:9]) == [(DAYS[9], DAYS[10])]
    assert asked(landing, done=DAYS) == []
