"""A delivered file is read as it was planned, or an error names it and says what became of it."""

import gzip
import pickle

import pytest

from ctr_assets.landing.containers import open_text, read_head, texts_of
from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import find_files, has_marker, open_file
from ctr_assets_tests.automation.watching import as_nobody, public_folder
from ctr_assets_tests.deliveries import impressions, to_csv
from ctr_assets_tests.landing.places import AWKWARD_NAMES, InGcs, OnDisk

DAY = "2014-10-21"
CSV = to_csv(impressions(DAY, 500))
NAME = f"day={DAY}/a.csv"
CHANGES = {
    "shrank": (lambda place: place.put(NAME, CSV[:100]), "now 100 bytes"),
    "was emptied": (lambda place: place.put(NAME, b""), "now 0 bytes"),
    "grew": (lambda place: place.put(NAME, CSV * 2), f"now {2 * len(CSV):,} bytes"),
    "was replaced by as many bytes": (lambda place: place.replace(NAME, CSV[::-1]), "now as many, but others"),
    "was delivered again": (lambda place: place.replace(NAME, CSV), "now as many, but others"),
    "has gone": (lambda place: place.remove(NAME), "now it is gone"),
}


@pytest.fixture
def file(place):
    place.put(NAME, CSV)
    (file,) = find_files(place.url, [DAY])
    return file


def message(found):
    return rf"a\.csv: changed while it was read: {len(CSV):,} bytes when the run was planned, {found}\. Nothing was"


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_before_it_is_opened(place, file, change):
    make, found = CHANGES[change]
    make(place)
    with pytest.raises(LandingError, match=message(found)), open_file(file):
        pass


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("read_before", [0, 10, None], ids=["unread", "begun", "read"])
def test_a_file_that_changes_while_it_is_open(place, file, change, read_before):
    make, found = CHANGES[change]

    def read():
        with open_file(file) as stream:
            stream.read(read_before)
            make(place)
            stream.read()

    with pytest.raises(LandingError, match=message(found)):
        read()


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: gzip.compress(data)[:-20]], ids=["whole", "cut off"])
def test_what_a_change_leads_to_is_said_to_be_a_change(place, pack):
    place.put(NAME, pack(CSV))
    (text,) = texts_of(find_files(place.url, [DAY])[0])

    def read():
        with open_text(text) as stream:
            stream.read(10)
            place.put(NAME, b"1234567")
            stream.read()

    with pytest.raises(LandingError, match=r"a\.csv: changed while it was read: .* now 7 bytes"):
        read()


def test_a_file_that_stays_is_read_anywhere(file):
    with open_file(file) as stream:
        assert stream.read(5) == CSV[:5]
        assert stream.seek(-7, 2) == len(CSV) - 7
        assert stream.read() == CSV[-7:]
        stream.seek(100)
        assert (stream.read(3), stream.tell()) == (CSV[100:103], 103)
        assert stream.read(-1) == CSV[103:]
        assert stream.read(5) == b""


def test_what_only_reads_its_head_sees_a_change_too(place, file):
    (text,) = texts_of(file)
    assert read_head(text) == CSV[: 1 << 16]
    place.replace(NAME, CSV[::-1])
    with pytest.raises(LandingError, match="now as many, but others"):
        read_head(text)


def test_an_error_of_the_reader_stays_what_it_is(file):
    with pytest.raises(KeyError, match="mine"), open_file(file):
        raise KeyError("mine")


def test_a_planned_file_travels_to_the_tasks(file):
    travelled = pickle.loads(pickle.dumps(file))
    assert len(pickle.dumps(file)) < 500
    with open_file(travelled) as stream:
        assert stream.read() == CSV


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_file_may_be_called_anything(place, name):
    for where in (f"{name}.csv", f"{name}/{name}"):
        place.put(where, CSV)
    place.put(f"{name}/_UNLABELLED", b"")
    within, beside = sorted(find_files(place.url, [DAY]), key=lambda file: not file.path.endswith(f"/{name}"))
    for file in (within, beside):
        with open_file(file) as stream:
            assert stream.read() == CSV
        assert file.name.isprintable()
    assert (has_marker(within, "_UNLABELLED"), has_marker(beside, "_UNLABELLED")) == (True, False)
    place.remove(f"{name}.csv")
    with pytest.raises(LandingError, match="now it is gone") as raised, open_file(beside):
        pass
    assert str(raised.value).isprintable()


def test_a_name_that_is_not_utf_8(tmp_path):
    place = OnDisk(tmp_path)
    place.put("caf\udce9.csv", CSV)
    (file,) = find_files(place.url, [DAY])
    assert file.name.endswith(r"/caf\udce9.csv")
    with open_file(file) as stream:
        assert stream.read() == CSV


@pytest.mark.parametrize("name", ["a.csv", f"day={DAY}/b.csv"])
def test_a_file_that_may_not_be_read_is_named(name):
    with public_folder() as root:
        place = OnDisk(root / "landing")
        place.put(name, CSV)
        place.path(name).chmod(0)
        (file,) = find_files(place.url, [DAY])
        with (
            as_nobody(),
            pytest.raises(LandingError, match=rf"{name}: cannot be read \(PermissionError: .* check that"),
        ):
            texts_of(file)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_an_object_whose_bytes_are_changed_on_their_way_is_refused(gcs, name, encoding):
    place = InGcs(gcs)
    place.put(name, gzip.compress(CSV), contentEncoding=encoding)
    (file,) = find_files(place.url, [DAY])
    with pytest.raises(
        LandingError, match=rf"{name}: stored with Content-Encoding: {encoding}, .*gsutil setmeta -h .*{file.path}\)"
    ):
        texts_of(file)


def test_an_error_while_reading_is_named_by_file(tmp_path):
    place = OnDisk(tmp_path)
    place.path("a.csv").symlink_to("/proc/self/mem")  # a regular file whose first byte cannot be read
    (file,) = find_files(place.url, [DAY])
    with pytest.raises(LandingError, match=r"a\.csv: cannot be read \(OSError: .*Input/output error\): check that it"):
        texts_of(file)
