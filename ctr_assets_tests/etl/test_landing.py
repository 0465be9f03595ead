"""Which delivered files are read, how they are cut, and what is said about the ones that cannot be."""

import gzip
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctr_assets.etl.landing import ParseTask, compression_of, plan_tasks, read_range
from ctr_assets.landing.files import LandingError, LandingFile, find_files
from ctr_assets_tests.deliveries import COLUMNS, deliver, impressions, to_csv

DAY = "2014-10-21"


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "landing"


def names(landing, days):
    return [file.path.split("/landing/")[1] for file in find_files(str(landing), days)]


def test_feeds_of_the_days_come_before_archives_and_other_days_are_left_out(landing):
    rows = impressions(DAY, 3)
    for name in ("train.gz", "b.csv", "day=2014-10-21/2.csv", "day=2014-10-21/1.csv.gz", "day=2014-10-22/x.csv"):
        deliver(landing, name, rows)
    assert names(landing, [DAY]) == ["day=2014-10-21/1.csv.gz", "day=2014-10-21/2.csv", "b.csv", "train.gz"]


def test_markers_and_unfinished_files_are_not_looked_at(landing):
    deliver(landing, "train.csv", impressions(DAY, 3))
    for name in ("_SUCCESS", ".hidden.csv", "part.csv.tmp", "day=2014-10-21/_SUCCESS"):
        (landing / name).parent.mkdir(exist_ok=True)
        (landing / name).write_bytes(b"x")
    assert names(landing, [DAY]) == ["train.csv"]


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_landing_zone_is_an_error(landing, exists):
    if exists:
        landing.mkdir()
    with pytest.raises(LandingError, match=r"holds no file: put train\.gz"):
        find_files(str(landing), [DAY])


def test_a_file_of_another_kind_is_named(landing):
    landing.mkdir()
    (landing / "notes.txt").write_text("hello")
    with pytest.raises(LandingError, match=r"notes\.txt: not a \.csv"):
        find_files(str(landing), [DAY])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda columns: [c for c in columns if c != "C14"], "the header lacks C14; expected the columns id, click"),
        (lambda columns: ["site" if c == "site_id" else c for c in columns], "the header lacks site_id"),
    ],
)
def test_a_missing_or_renamed_column_is_named(landing, change, message):
    columns = change(COLUMNS)
    rows = [{**row, "site": row["site_id"]} for row in impressions(DAY, 3)]
    deliver(landing, "train.gz", rows, columns)
    with pytest.raises(LandingError, match=rf"train\.gz: {message}"):
        plan_tasks(find_files(str(landing), [DAY]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", b"\x89PNG\r\n\x1a\n\xff\xfe\x00\x00", "not a CSV file|the header lacks"),
        ("train.gz", b"<html>not found</html>", "damaged or truncated .*Not a gzipped file"),
        ("train.csv", b"", "the header lacks id"),
        ("train.zip", b"PK nonsense", "not a readable zip archive"),
    ],
)
def test_a_file_that_is_not_csv_is_named(landing, name, content, message):
    landing.mkdir()
    (landing / name).write_bytes(content)
    with pytest.raises(LandingError, match=message) as raised:
        plan_tasks(find_files(str(landing), [DAY]))
    assert f"/landing/{name}" in str(raised.value)


def test_every_csv_of_a_zip_is_a_task(landing):
    landing.mkdir()
    with zipfile.ZipFile(landing / "all.zip", "w") as archive:
        archive.writestr("b.csv", to_csv(impressions(DAY, 2)))
        archive.writestr("a.csv", to_csv(impressions(DAY, 2)))
        archive.writestr("readme.md", "x")
    assert [task.member for task in plan_tasks(find_files(str(landing), [DAY]))] == ["a.csv", "b.csv"]


def test_gzip_is_one_task_and_plain_csv_is_cut(landing):
    rows = impressions(DAY, 100)
    deliver(landing, "a.csv", rows)
    deliver(landing, "b.csv.gz", rows)
    tasks = plan_tasks(find_files(str(landing), [DAY]), split_bytes=2000)
    plain = [task for task in tasks if compression_of(task.file) == "plain"]
    assert len(plain) > 5
    assert plain[0].start == len(to_csv(rows).split(b"\n")[0]) + 1
    assert [task.end for task in tasks if compression_of(task.file) == "gzip"] == [None]
    assert [task.rank for task in tasks] == list(range(len(tasks)))


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.binary(min_size=0, max_size=20).map(lambda b: b.replace(b"\n", b"")), min_size=1, max_size=20),
    split_bytes=st.integers(1, 40),
    ends_with_newline=st.booleans(),
)
def test_ranges_give_every_line_exactly_once(tmp_path_factory, lines, split_bytes, ends_with_newline):
    text = b"\n".join(lines) + (b"\n" if ends_with_newline else b"")
    path = tmp_path_factory.mktemp("ranges") / "x.csv"
    path.write_bytes(text)
    file = LandingFile(str(path), len(text), None)
    pieces = [
        read_range(ParseTask(0, file, (), None, start, min(start + split_bytes, len(text))))
        for start in range(0, len(text), split_bytes)
    ]
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in [piece for piece in pieces if piece][:-1])


def test_header_may_carry_a_byte_order_mark_and_carriage_returns(landing):
    landing.mkdir()
    data = b"\xef\xbb\xbf" + to_csv(impressions(DAY, 2)).replace(b"\n", b"\r\n")
    (landing / "a.csv").write_bytes(data)
    (landing / "b.csv.gz").write_bytes(gzip.compress(data))
    for task in plan_tasks(find_files(str(landing), [DAY])):
        assert task.columns == tuple(COLUMNS)
    assert io.BytesIO(data).readline().endswith(b"\r\n")
