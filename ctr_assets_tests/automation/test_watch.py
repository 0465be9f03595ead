"""What the landing watch asks to run: new, changed, growing, marked, late and missing days, and archives."""

import itertools
import json
import os

import pytest

from ctr_assets.automation.rules import WaitFor
from ctr_assets.landing.errors import LandingZoneError
from ctr_assets_tests.automation.watching import DAYS, SETTLE_SECONDS, Watched, as_nobody, public_folder, write


@pytest.fixture
def landing(tmp_path):
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(landing):
    return Watched(landing)


def deliver(landing, *days, content="x"):
    for day in days:
        write(landing, f"day={day}/impressions.csv", content)


def test_a_new_day_is_run_once_it_has_settled(landing, watched):
    deliver(landing, DAYS[0])
    assert watched.look() == []
    assert watched.seen == f"0 days known, 1 still growing (day={DAYS[0]}, 1 file, 1 B)"
    assert watched.look(after=SETTLE_SECONDS - 1) == []
    assert watched.look(after=1) == [DAYS[0]]
    assert "new delivery (1 file, 1 B)" in watched.to_run[0].why
    assert watched.look() == []
    assert watched.seen == "1 day known"


def test_a_run_key_is_the_day_and_its_content(landing, watched):
    deliver(landing, DAYS[0])
    watched.settle()
    day, _, fingerprint = watched.to_run[0].run_key.partition(":")
    assert (day, len(fingerprint)) == (DAYS[0], 16)


def test_days_are_run_oldest_first(landing, watched):
    deliver(landing, DAYS[2], DAYS[0], DAYS[1])
    assert watched.settle() == DAYS[:3]


def test_a_day_that_keeps_changing_waits_and_the_others_do_not(landing, watched):
    deliver(landing, DAYS[0], DAYS[1])
    for round_ in range(3):
        write(landing, f"day={DAYS[1]}/{round_}.csv", "more" * round_)
        watched.look()
    assert watched.seen.startswith("1 day known, 1 still growing (day=2014-10-22, 4 files")
    assert watched.settle() == [DAYS[1]]


def test_a_day_waits_for_an_earlier_one_that_is_still_growing(landing, watched):
    deliver(landing, DAYS[1])
    watched.look()
    deliver(landing, DAYS[0])
    assert watched.look() == []
    assert watched.look() == [DAYS[0], DAYS[1]]


CHANGES = {
    "appended": lambda path: path.open("a").write("y"),
    "rewritten at the same size": lambda path: path.write_text("y"),
    "one more file": lambda path: (path.parent / "late.csv").write_text("y"),
    "renamed": lambda path: path.rename(path.parent / "b.csv"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_day_is_run_again_once(landing, watched, change):
    deliver(landing, DAYS[0], DAYS[1])
    assert watched.settle() == DAYS[:2]
    CHANGES[change](landing / f"day={DAYS[0]}/impressions.csv")
    assert watched.settle() == [DAYS[0]]
    assert watched.to_run[0].why.startswith("changed delivery")
    assert watched.settle() == []


def test_a_modification_time_that_was_set_back_hides_no_change(landing, watched):
    deliver(landing, DAYS[0])
    path = landing / f"day={DAYS[0]}/impressions.csv"
    before = path.stat()
    watched.settle()
    path.write_text("y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert watched.settle() == [DAYS[0]]


def test_the_first_content_delivered_again_is_a_new_delivery(landing, watched):
    deliver(landing, DAYS[0], content="a")
    watched.settle()
    first = watched.to_run[0].run_key
    deliver(landing, DAYS[0], content="b")
    watched.settle()
    deliver(landing, DAYS[0], content="a")
    assert watched.settle() == [DAYS[0]]
    assert watched.to_run[0].run_key != first


def test_what_the_job_does_not_read_changes_nothing(landing, watched):
    deliver(landing, DAYS[0])
    watched.settle()
    for name in ("_SUCCESS", ".hidden.csv", "half.csv.tmp", "_temporary/part.csv"):
        write(landing, f"day={DAYS[0]}/{name}")
    write(landing, "_SUCCESS")
    assert watched.settle() == []


def test_a_day_whose_files_are_cleared_away_is_left_as_it_is(landing, watched):
    deliver(landing, DAYS[0])
    watched.settle()
    (landing / f"day={DAYS[0]}/impressions.csv").unlink()
    assert watched.settle() == []


def test_days_in_nested_folders_count_together(landing, watched):
    write(landing, f"europe/day={DAYS[0]}/a.csv")
    write(landing, f"asia/day={DAYS[0]}/hour=01/b.csv")
    assert watched.settle() == [DAYS[0]]
    assert "2 files" in watched.to_run[0].why


def test_other_days_and_odd_names_are_told(landing, watched):
    deliver(landing, "2015-01-01", "yesterday", "20141021")
    assert watched.settle() == []
    assert watched.seen == (
        "0 days known, no day of the graph: day=2015-01-01, not read, though it seems to be meant as a day's folder: "
        "day=20141021/ (call it day=2014-10-21), day=yesterday/ (call it day=YYYY-MM-DD)"
    )


def test_with_a_marker_nothing_else_is_waited_for(landing, watched):
    watched.watch_by(wait_for=WaitFor.SUCCESS_MARKER)
    deliver(landing, DAYS[0])
    assert watched.settle() == []
    assert watched.seen == f"0 days known, 1 still growing (day={DAYS[0]}, 1 file, 1 B, no _SUCCESS yet)"
    write(landing, f"day={DAYS[0]}/_SUCCESS", "")
    assert watched.look(after=0) == [DAYS[0]]
    assert watched.settle() == []


def test_a_file_that_is_newer_than_the_marker_waits_for_the_next_one(landing, watched):
    watched.watch_by(wait_for=WaitFor.SUCCESS_MARKER)
    deliver(landing, DAYS[0])
    marker = write(landing, f"day={DAYS[0]}/_SUCCESS", "")
    os.utime(marker, (marker.stat().st_mtime + 1,) * 2)
    assert watched.look() == [DAYS[0]]
    late = write(landing, f"day={DAYS[0]}/late.csv")
    os.utime(late, (late.stat().st_mtime + 5,) * 2)
    assert watched.settle() == []
    assert "a file is newer than its _SUCCESS" in watched.seen
    os.utime(marker, (late.stat().st_mtime + 1,) * 2)
    assert watched.look() == [DAYS[0]]


def test_days_without_a_delivery_are_run_before_the_day_that_continues_them(landing, watched):
    deliver(landing, DAYS[0])
    assert watched.settle() == [DAYS[0]]
    deliver(landing, DAYS[3])
    assert watched.settle() == [DAYS[1], DAYS[2], DAYS[3]]
    assert [run.run_key for run in watched.to_run[:2]] == [f"{DAYS[1]}:empty", f"{DAYS[2]}:empty"]
    assert watched.settle() == []


def test_a_day_without_a_delivery_that_is_materialized_is_not_run(landing, watched):
    watched.materialized = {DAYS[0], DAYS[1]}
    deliver(landing, DAYS[2])
    assert watched.settle() == [DAYS[2]]


def test_a_late_day_is_run_when_it_comes(landing, watched):
    deliver(landing, DAYS[0], DAYS[2])
    assert watched.settle() == DAYS[:3]
    deliver(landing, DAYS[1])
    assert watched.settle() == [DAYS[1]]
    assert watched.to_run[0].why.startswith("new delivery")


def test_archives_are_one_run_of_all_days(landing, watched):
    write(landing, "train.gz")
    write(landing, "more/test.gz")
    deliver(landing, DAYS[4])
    assert watched.settle() == [(DAYS[0], DAYS[-1])]
    assert watched.to_run[0].run_key.startswith("archives:")
    assert "new archives, which may hold any day (2 files, 2 B)" in watched.to_run[0].why
    assert watched.settle() == []
    write(landing, "train.gz", "again")
    assert watched.settle() == [(DAYS[0], DAYS[-1])]
    assert watched.to_run[0].why.startswith("changed archives")


def test_every_day_waits_for_archives_that_are_still_growing(landing, watched):
    deliver(landing, DAYS[0])
    watched.look()
    write(landing, "train.gz")
    assert watched.look() == []
    assert "the archives are still growing (1 file, 1 B), all days wait for them" in watched.seen
    assert watched.look() == [(DAYS[0], DAYS[-1])]


def test_archives_wait_for_growing_days_and_settled_days_do_not(landing, watched):
    write(landing, "train.gz")
    deliver(landing, DAYS[0])
    watched.look()
    deliver(landing, DAYS[1])
    assert watched.look() == [DAYS[0]]
    assert watched.look() == [(DAYS[0], DAYS[-1])]


def test_a_new_day_after_the_archives_is_run_alone(landing, watched):
    write(landing, "train.gz")
    assert watched.settle() == [(DAYS[0], DAYS[-1])]
    deliver(landing, DAYS[5])
    assert watched.settle() == [DAYS[5]]


def test_a_look_stops_at_its_budget_and_the_next_goes_on(landing, watched):
    deliver(landing, *DAYS[:6])
    watched.watch_by(budget_seconds=2)

    def clock_of_a_second_a_call():
        ticks = itertools.count()
        return lambda: float(next(ticks))

    asked = []
    for _ in range(6):
        asked += watched.look(clock=clock_of_a_second_a_call())
        assert json.loads(watched.cursor)["resume"] is not None
        assert "stopped after 2 s" in watched.seen
    assert sorted(asked) == asked == DAYS[:6]


def test_a_listing_error_is_raised_and_loses_nothing():
    with public_folder() as landing:
        watched = Watched(landing)
        deliver(landing, DAYS[0], DAYS[1])
        watched.look()
        before = watched.cursor
        forbidden = landing / f"day={DAYS[1]}"
        forbidden.chmod(0)
        with as_nobody(), pytest.raises(LandingZoneError, match=rf"day={DAYS[1]} cannot be listed \(PermissionError: "):
            watched.look()
        assert watched.cursor == before
        forbidden.chmod(0o755)
        assert watched.look() == DAYS[:2]


def test_a_missing_landing_zone_is_an_error_and_an_empty_one_is_not(landing, watched, tmp_path):
    assert watched.look() == []
    assert watched.seen == "0 days known"
    with pytest.raises(LandingZoneError, match="nowhere does not exist: create it, or set CTR_LANDING_URL"):
        Watched(tmp_path / "nowhere").look()


@pytest.mark.parametrize("cursor", ["", "not json", "[]", "{}", '{"format": 0}', '{"format": 1, "zone": "elsewhere"}'])
def test_a_foreign_cursor_starts_afresh_with_the_same_run_keys(landing, watched, cursor):
    deliver(landing, DAYS[0])
    watched.settle()
    key = watched.to_run[0].run_key
    watched.cursor = cursor
    assert watched.settle() == [DAYS[0]]
    assert watched.to_run[0].run_key == key


def test_the_cursor_grows_with_the_days_and_not_with_the_files(landing, watched):
    deliver(landing, *DAYS, "2019-01-01")
    watched.settle()
    few = len(watched.cursor)
    for day in DAYS:
        for number in range(30):
            write(landing, f"day={day}/{number}.csv")
    watched.settle()
    assert len(watched.cursor) == few < 50 * len(DAYS) + 200
