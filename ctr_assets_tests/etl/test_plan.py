"""Which headers are those of impressions, what is left out, and how texts are cut into tasks."""

import gzip
import zipfile
from itertools import pairwise

import pytest

from ctr_assets.etl.plan import plan_tasks
from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import find_files
from ctr_assets_tests.deliveries import COLUMNS, deliver, impressions, to_csv

DAY = "2014-10-21"
ROWS = impressions(DAY, 3)
UNLABELLED = [name for name in COLUMNS if name != "click"]


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "landing"


def plan(landing, **options):
    return plan_tasks(find_files(str(landing), [DAY]), **options)


def deliver_header(landing, header, name="train.csv"):
    landing.mkdir(exist_ok=True)
    (landing / name).write_bytes(header)


def renamed(old, new):
    return ",".join(new if name == old else name for name in COLUMNS).encode() + b"\n"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (",".join(c for c in COLUMNS if c != "C14").encode(), "the header lacks C14; expected the columns id, click"),
        (renamed("site_id", "site"), "the header lacks site_id"),
        (renamed("site_id", ""), "the header lacks site_id;.*; it has column 6 without a name"),
        (b",," + renamed("site_id", ""), "the header lacks site_id;.*; it has columns 1, 2, 8 without a name"),
        (";".join(COLUMNS).encode(), "the header lacks id.*; it seems separated by semicolons"),
        ("\t".join(COLUMNS).encode(), "the header lacks id.*; it seems separated by tabs"),
        (b"", "the header lacks id"),
        (b"<html>not found</html>", "the header lacks id"),
        (b"\n\n\n", "the header lacks id"),
        (",".join([*COLUMNS, "site_id"]).encode(), "the header names site_id more than once; keep one of each"),
        (renamed("C21", '"C21'), "the header's quotes do not close"),
        (b"caf\xe9," + renamed("", ""), "its first line is not text in UTF-8"),
        (",".join(COLUMNS).encode() + b"\r1,2\r", "its lines end with a carriage return alone"),
        (b"x" * 70_000, "its first line is longer than 65,536 bytes"),
        # Without its label a day would be taken for an unlabelled one.
        (renamed("click", "clicked"), "no click, but columns that are not known: 'clicked'.*_UNLABELLED"),
        (renamed("click", "label"), "no click, but columns that are not known: 'label'"),
        (renamed("click", "Click"), "no click, but columns that are not known: 'Click'"),
        (renamed("click", ""), "no click, but columns that are not known: column 2 without a name"),
        (b"bid," + renamed("click", "label"), "no click, but columns that are not known: 'bid', 'label'"),
    ],
)
def test_a_header_that_is_not_that_of_impressions_is_named(landing, header, message):
    deliver_header(landing, header)
    with pytest.raises(LandingError, match=rf"train\.csv: .*{message}"):
        plan(landing)


@pytest.mark.parametrize(
    "header",
    [
        ",".join(COLUMNS),
        ",".join(UNLABELLED),
        ",," + ",".join(COLUMNS),
        ",".join(["other", "other", *COLUMNS]),
        ",".join(f'"{name}"' for name in COLUMNS),
        ", ".join(COLUMNS),
        "\ufeff" + ",".join(COLUMNS),
        '\ufeff"' + '","'.join(COLUMNS) + '"',
        "\n\r\n" + ",".join(COLUMNS),
        ",".join(reversed(COLUMNS)),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_headers_that_are_those_of_impressions(landing, header, end):
    data = (header + end).encode()
    deliver_header(landing, data)
    ((_, found),) = plan(landing).sources
    assert set(UNLABELLED) <= set(found.columns)
    assert (found.size, found.line_breaks) == (len(data), data.count(b"\n"))


def test_a_marker_says_that_files_are_meant_to_lack_the_label(landing):
    for name in ("train.csv", f"day={DAY}/x.csv"):
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(b"bid," + ",".join(UNLABELLED).encode())
        with pytest.raises(LandingError, match="put an empty file named _UNLABELLED beside this one"):
            plan(landing)
        (landing / name).with_name("_UNLABELLED").touch()
    assert len(plan(landing).sources) == 2


def test_what_holds_no_impressions_is_left_out_of_an_archive_and_named(landing):
    landing.mkdir()
    with zipfile.ZipFile(landing / "avazu.zip", "w") as archive:
        archive.writestr("train.gz", gzip.compress(to_csv(ROWS)))
        archive.writestr("sampleSubmission.gz", gzip.compress(b"id,click\n1,0.5\n"))
        archive.writestr("README.md", "# read me")
        archive.writestr("licence.pdf", b"%PDF-1.4")
    deliver_header(landing, b"id,click\n1,0.5\n", "sampleSubmission.csv")
    found = plan(landing)
    assert [text.member for text, _ in found.sources] == ["train.gz"]
    where = f"{landing}/avazu.zip (member {{}})"
    assert {name.removeprefix("file://"): why for name, why in found.left_out.items()} == {
        where.format("sampleSubmission.gz"): "predictions of a competition, no impression log",
        where.format("README.md"): "not called like data, and without the header of an impression log",
        where.format("licence.pdf"): "not called like data, and without the header of an impression log",
        f"{landing}/sampleSubmission.csv": "predictions of a competition, no impression log",
    }


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"train.csv": to_csv(ROWS), "x.csv": "a,b\n"}, r"\(member x\.csv\): the header lacks id"),
        ({"README.md": "# read me"}, r"avazu\.zip: the archive holds no impression log"),
        ({"sampleSubmission.csv": "id,click\n"}, "None of the delivered files is an impression log"),
    ],
)
def test_an_archive_without_impressions_is_an_error(landing, members, message):
    landing.mkdir()
    with zipfile.ZipFile(landing / "avazu.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(LandingError, match=message):
        plan(landing)


def test_what_can_be_split_is_cut_and_an_archive_is_one_task(landing):
    rows = impressions(DAY, 100)
    deliver(landing, "a.csv", rows)
    deliver(landing, "b.csv.gz", rows)
    tasks = plan(landing, split_bytes=2000).tasks
    cut = [task for task in tasks if task.text.is_splittable]
    assert len(cut) > 5
    assert cut[0].start == len(to_csv(rows).split(b"\n")[0]) + 1
    assert all(before.end == after.start for before, after in pairwise(cut))
    assert [task.end for task in tasks if not task.text.is_splittable] == [None]
    assert [task.rank for task in tasks] == list(range(len(tasks)))
