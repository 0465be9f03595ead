"""The one walk over the landing zone: whatever a name holds, days, archives, what was meant to be a day."""

import pytest

from ctr_assets.landing import listing
from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import find_files
from ctr_assets.landing.names import misspelt
from ctr_assets.landing.zone import LandingZone
from ctr_assets_tests.automation.watching import DAYS, Watched
from ctr_assets_tests.landing.places import AWKWARD_NAMES, InGcs, OnDisk

DAY = DAYS[0]


def watched_files(place):
    """What the sensor sees, as the job would name it: day (None for archives) and URL."""
    zone = LandingZone(place.url)
    folders = zone.folders()
    seen: set[tuple[str | None, str]] = {(None, file.path) for file in folders.archives.files}
    seen |= {(day, file.path) for day in folders.days for file in zone.delivery(folders.days[day]).files}
    return {(day, zone.url_of(path)) for day, path in seen}


def read_files(place, days=DAYS):
    return [(file.day, file.path) for file in find_files(place.url, days)]


@pytest.mark.parametrize(
    "names",
    [
        ["train.gz", "more/test.gz", f"day={DAY}/a.csv"],
        [f"{name}.csv" for name in AWKWARD_NAMES],
        [f"{name}/x.csv" for name in AWKWARD_NAMES],
        [f"day={DAY}/{name}" for name in AWKWARD_NAMES],
        [f"europe/day={DAY}/a.csv", f"asia/day={DAY}/hour=01/b.csv", f"day={DAY}/day={DAY}/c.csv"],
        ["a.csv", "_x/a.csv", ".x.csv", "x.tmp", "y.tmp/a.csv", f"day={DAY}/_SUCCESS", "_SUCCESS/a.csv", "b/_SUCCESS"],
        [f"day={DAY}/a.csv", f"day={DAY}.tmp/b.csv", "2014-10-22/c.csv"],
    ],
)
def test_the_job_reads_what_the_sensor_watches(place, names):
    for name in names:
        place.put(name)
    read = read_files(place)
    assert len(read) == len(set(read))
    assert set(read) == watched_files(place)
    expected = {
        name for name in names if not any(p.startswith(("_", ".")) or p.endswith(".tmp") for p in name.split("/"))
    }
    assert {path.removeprefix(LandingZone(place.url).url_of("")) for _, path in read} == expected


def test_feeds_come_before_archives_and_each_by_path(place):
    for name in (f"b/day={DAYS[0]}/x", f"a/day={DAYS[1]}/x", "0.csv", f"b/day={DAYS[0]}/a", "z/1.csv", "B.csv"):
        place.put(name)
    base = LandingZone(place.url).url_of("")
    assert [path.removeprefix(base) for _, path in read_files(place)] == [
        f"a/day={DAYS[1]}/x",
        f"b/day={DAYS[0]}/a",
        f"b/day={DAYS[0]}/x",
        "0.csv",
        "B.csv",
        "z/1.csv",
    ]


def test_only_the_days_that_are_asked_for_are_read(place):
    for day in DAYS[:3]:
        place.put(f"day={day}/a.csv")
    assert [day for day, _ in read_files(place, [DAYS[1]])] == [DAYS[1]]
    assert read_files(place, [DAYS[5]]) == []


@pytest.mark.parametrize("names", [[], ["_x/a.csv"], [f"day={DAYS[4]}/_SUCCESS"], ["day=2014-1-1/_SUCCESS"]])
def test_a_landing_zone_without_a_file_is_an_error_of_the_job(place, names):
    for name in [*names, ".keep"]:
        place.put(name)
    with pytest.raises(LandingError, match=r"holds no file: put train\.gz, a \.csv or a \.zip there"):
        read_files(place)


def test_a_landing_zone_that_does_not_exist_is_an_error_of_the_job(tmp_path):
    with pytest.raises(LandingError, match="nowhere does not exist: create it, or set CTR_LANDING_URL"):
        find_files(str(tmp_path / "nowhere"), DAYS)


FOLDERS = [
    "day=20141021",
    " day=2014-10-21",
    "DAY=2014-10-21",
    "dt=2014-10-21",
    "day=２０１４-10-21",
    "a/day=2014-10-21 ",
]
UNTOLD = ["day=", "day=2014-13-41", "day=__HIVE_DEFAULT_PARTITION__", "x/y/day=yesterday"]


@pytest.mark.parametrize("folder", FOLDERS + UNTOLD)
def test_a_folder_that_was_meant_to_be_a_day_stops_its_day_and_no_other(place, folder):
    place.put(f"{folder}/deep/a.csv")
    place.put(f"day={DAYS[1]}/a.csv")
    right = misspelt(folder.rsplit("/", 1)[-1])
    said = rf"{folder}/ \(call it {right}\). Nothing was read"
    with pytest.raises(LandingError, match=said):
        read_files(place, [DAY])
    if folder in UNTOLD:
        with pytest.raises(LandingError, match=said):
            read_files(place, [DAYS[1]])
    else:
        assert [day for day, _ in read_files(place, [DAYS[1]])] == [DAYS[1]]


def test_the_sensor_says_it_at_each_look_and_runs_the_other_days(place):
    watched = Watched(place.url)
    for folder in (*FOLDERS[:2], *UNTOLD[:2]):
        place.put(f"{folder}/a.csv")
    place.put(f"day={DAYS[1]}/a.csv")
    assert DAYS[1] in watched.settle()
    for _ in range(2):
        assert " day=2014-10-21/ (call it day=2014-10-21), day=/ (call it day=YYYY-MM-DD)" in watched.seen
        assert watched.look() == []
    place.put(f"{FOLDERS[2]}/a.csv")
    place.put(f"{FOLDERS[3]}/a.csv")
    watched.look()
    assert watched.seen.endswith("and 1 more")


@pytest.mark.parametrize("name", ["day=20141021/_SUCCESS", "day=/.hidden", "dt=2014-10-21/a.tmp", "_old/day=/a.csv"])
def test_an_empty_folder_stops_nothing(place, name):
    place.put(name)
    place.put(f"day={DAY}/a.csv")
    assert [day for day, _ in read_files(place)] == [DAY]
    watched = Watched(place.url)
    watched.look()
    assert "call it" not in watched.seen


@pytest.mark.parametrize("inner", [f"day={DAYS[1]}", "day=20141022", "deep/Day=2014-10-22", "day="])
def test_a_day_within_another_is_an_error_of_that_day_and_said(place, inner):
    place.put(f"day={DAY}/{inner}/a.csv")
    place.put(f"day={DAY}/b.csv")
    right = "day=YYYY-MM-DD" if inner == "day=" else f"day={DAYS[1]}"
    said = rf"day={DAY}/{inner}/ \(move it out of day={DAY}/ and call it {right}\)"
    with pytest.raises(LandingError, match=said):
        read_files(place, [DAY])
    watched = Watched(place.url)
    assert watched.settle() == [DAY]
    assert said.replace("\\", "") in watched.seen


def test_a_name_that_does_not_print_breaks_no_message(place):
    place.put("day=\u202e2014\n-10-21/a.csv")
    with pytest.raises(LandingError, match=r"day=\\u202e2014\\n-10-21/ \(call it day=2014-10-21\)"):
        read_files(place)


def test_folders_without_a_name(gcs_in_memory):
    place = InGcs(gcs_in_memory)
    for name in ("/a.csv", f"day={DAY}//b.csv", f"//day={DAYS[1]}/c.csv", "x/", "y/z.csv"):
        place.put(name, b"" if name.endswith("/") else b"x")
    read = read_files(place)
    assert set(read) == watched_files(place)
    assert {(day, path.removeprefix(f"{place.url}/")) for day, path in read} == {
        (None, "/a.csv"),
        (None, "y/z.csv"),
        (DAY, f"day={DAY}//b.csv"),
        (DAYS[1], f"//day={DAYS[1]}/c.csv"),
    }


def test_bytes_in_an_object_that_stands_for_a_folder_are_named(gcs_in_memory):
    place = InGcs(gcs_in_memory)
    place.put("x/")
    with pytest.raises(LandingError, match=r"/landing/x/ is called like a folder and holds 1 bytes: give it a name"):
        read_files(place)


def test_a_whole_bucket_on_many_pages(gcs, monkeypatch):
    monkeypatch.setattr(listing, "_PAGE", 7)
    place = InGcs(gcs, prefix="")
    days = [f"2014-{month:02d}-01" for month in range(1, 13)]
    for day in days:
        place.put(f"day={day}/a.csv")
    for number in range(30):
        place.put(f"day={days[0]}/{number:02d}.csv")
    read = [path.removeprefix(f"{gcs.uri}/") for _, path in read_files(place, days)]
    assert read == sorted([f"day={day}/a.csv" for day in days] + [f"day={days[0]}/{n:02d}.csv" for n in range(30)])


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_landing_zone_may_be_called_anything(tmp_path, gcs, name):
    for place in (OnDisk(tmp_path / name), InGcs(gcs, f"x/{name}")):
        place.put(f"{name}.csv")
        assert set(read_files(place)) == watched_files(place)
        assert len(read_files(place)) == 1
