"""Links, what is no file, and what may not be read, on a disk: for the job and for the sensor alike."""

import os
import socket

import pytest

from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import find_files
from ctr_assets.landing.zone import LandingZone
from ctr_assets_tests.automation.watching import DAYS, as_nobody, public_folder
from ctr_assets_tests.landing.places import OnDisk

DAY = DAYS[0]


@pytest.fixture
def place(tmp_path):
    return OnDisk(tmp_path / "landing")


@pytest.fixture
def outside(tmp_path):
    return OnDisk(tmp_path / "outside")


def read(place):
    """The files that the job reads, which the sensor watches too."""
    files = [file.path for file in find_files(str(place.url), DAYS)]
    base = LandingZone(place.url).url_of("")
    assert sorted(files) == sorted(f"{base}{file.path}" for file in look(place))
    return sorted(path.removeprefix(base) for path in files)


def look(place):
    """The files that the sensor watches."""
    zone = LandingZone(place.url)
    folders = zone.folders()
    return [*folders.archives.files, *(f for day in folders.days for f in zone.delivery(folders.days[day]).files)]


def refused(place, message):
    with pytest.raises(LandingError, match=message):
        find_files(place.url, DAYS)
    with pytest.raises(LandingError, match=message):
        look(place)


def test_links_to_folders_and_files_elsewhere_are_followed(place, outside):
    outside.put("feed/a.csv")
    outside.put("more/b.csv")
    outside.put("c.csv")
    outside.path("chain").symlink_to(outside.path("more"))
    place.path(f"day={DAY}").symlink_to(outside.path("feed"))
    place.path("more").symlink_to(outside.path("chain"))
    place.path("c.csv").symlink_to(outside.path("c.csv"))
    assert read(place) == ["c.csv", f"day={DAY}/a.csv", "more/b.csv"]


def test_a_landing_zone_that_is_a_link(tmp_path, outside):
    outside.put("a.csv")
    (tmp_path / "link").symlink_to(outside.root)
    assert read(OnDisk(tmp_path / "link")) == ["a.csv"]


def test_a_version_that_a_link_publishes_is_read_once(place):
    place.put("_versions/3/a.csv")
    place.put(".data.csv")
    place.path(f"day={DAY}").symlink_to("_versions/3")
    place.path("data.csv").symlink_to(".data.csv")
    assert read(place) == ["data.csv", f"day={DAY}/a.csv"]


@pytest.mark.parametrize("target", ["a", "a/b", f"day={DAY}/c", "a/x.csv", "c.csv"])
@pytest.mark.parametrize("link", ["latest", "0", f"day={DAYS[1]}", f"day={DAY}/again"])
def test_a_link_to_what_is_in_the_landing_zone_too_is_refused(place, link, target):
    for name in ("a/x.csv", "a/b/y.csv", f"day={DAY}/c/z.csv", "c.csv"):
        place.put(name)
    place.path(link).symlink_to(place.path(target))
    refused(
        place, rf"landing/{link} is a link to .*landing/{target}, which is also reached as .*/{target}: its rows would"
    )
    place.path(link).rename(place.path("_link"))
    assert len(read(place)) == 4


def test_two_links_to_one_place_are_refused(place, outside):
    outside.put("x/a.csv")
    place.path("one").symlink_to(outside.path("x"))
    place.path("two").symlink_to(outside.path("x"))
    refused(place, r"landing/two is a link to .*outside/x, which is also reached as .*landing/one: its rows would")
    place.path("two").unlink()
    place.path("zwei").symlink_to(outside.root)
    refused(place, r"landing/one is a link to .*outside/x, which is also reached as .*landing/zwei/x: its rows would")
    place.path("zwei").unlink()
    place.path("a.csv").symlink_to(outside.path("x/a.csv"))
    refused(
        place, r"landing/a\.csv is a link to .*outside/x/a\.csv, which is also reached as .*landing/one/a\.csv: its"
    )


@pytest.mark.parametrize("target", [".", "..", "/", "a"])
def test_a_circle_of_folders_ends(place, target):
    place.put("a/x.csv")
    place.path("a/link").symlink_to(target if target == "/" else os.path.relpath(place.path(target), place.path("a")))
    refused(place, "landing/a/link is a link to .*, which is also reached as")


@pytest.mark.parametrize("name", ["a.csv", f"day={DAY}/a.csv", "folder"])
def test_a_link_to_nothing_is_named_with_what_is_missing(place, name):
    place.put(f"day={DAY}/x.csv")
    place.path(name).symlink_to("/no/such/target")
    refused(
        place, rf"landing/{name} is a link to /no/such/target, which is not there: deliver that, or remove the link"
    )


def test_links_in_a_circle_are_named(place):
    place.path("a").symlink_to("b")
    place.path("b").symlink_to("a")
    refused(place, r"landing cannot be listed \(OSError: .*landing/a'")


@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "a named pipe"), (lambda path: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)), "a socket")],
    ids=["fifo", "socket"],
)
@pytest.mark.parametrize("name", ["x.csv", f"day={DAY}/x.csv"])
def test_what_is_no_file_is_named_and_not_opened(place, make, kind, name, monkeypatch):
    place.put(f"day={DAY}/a.csv")
    monkeypatch.chdir(place.root)
    make(str(place.path(name)))
    refused(place, rf"landing/{name} is {kind}, expected a file or folder")
    place.path(name).unlink()
    place.path(name).symlink_to("/dev/null")
    refused(place, rf"landing/{name} is a device")


def test_hard_links_are_files_of_their_own(place):
    place.put("a.csv")
    os.link(place.path("a.csv"), place.path("b.csv"))
    assert read(place) == ["a.csv", "b.csv"]


def test_a_link_that_is_not_looked_at_may_lead_anywhere(place):
    place.put("a.csv")
    for name, target in {"_broken": "/no/such", ".loop": ".", "_latest": "a.csv", "old.tmp": ".."}.items():
        place.path(name).symlink_to(target)
    assert read(place) == ["a.csv"]


@pytest.mark.parametrize("folder", ["more", f"day={DAY}"])
def test_a_folder_that_may_not_be_listed_is_named(folder):
    with public_folder() as root:
        place = OnDisk(root / "landing")
        place.put(f"{folder}/a.csv")
        place.put("b.csv")
        place.path(folder).chmod(0)
        with as_nobody():
            refused(place, rf"landing/{folder} cannot be listed \(PermissionError: .* check that it can be reached and")


def test_a_landing_zone_that_is_a_file_is_named(tmp_path):
    (tmp_path / "landing").write_text("x")
    with pytest.raises(LandingError, match=r"landing cannot be listed \(NotADirectoryError"):
        find_files(str(tmp_path / "landing"), DAYS)
