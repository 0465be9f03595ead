"""What a delivered file is, told by its content, and which texts are in it."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from ctr_assets.landing.containers import open_text, read_head, texts_of
from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import find_files
from ctr_assets_tests.deliveries import impressions, to_csv

DAY = "2014-10-21"
CSV = to_csv(impressions(DAY, 5))


def tar(name="train.csv", mode="w", data=CSV):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_flag(archive, flag=1, method=None):
    """A zip archive whose first member is marked as encrypted, or compressed by another method, in both its headers."""
    data = bytearray(archive)
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    for header, offset in ((local, 6), (central, 8)):
        data[header + offset] |= flag
        if method is not None:
            data[header + offset + 2] = method
    return bytes(data)


@pytest.fixture
def delivered(tmp_path):
    def deliver(name, data):
        (tmp_path / name).write_bytes(data)
        (file,) = find_files(str(tmp_path), [DAY])
        return file

    return deliver


def contents(file):
    found = {}
    for text in texts_of(file):
        with open_text(text) as stream:
            found[text.member] = stream.read()
    return found


@pytest.mark.parametrize("name", ["train.csv", "train.gz", "TRAIN.CSV", "train", "train.txt", "train.csv.gz", "x.zip"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_content_decides_and_not_the_name(delivered, name, pack):
    assert contents(delivered(name, pack(CSV))) == {None: CSV}


def test_gzip_files_that_were_joined_are_read_as_one(delivered):
    assert contents(delivered("a.gz", gzip.compress(CSV) + gzip.compress(b"more\n"))) == {None: CSV + b"more\n"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"train.csv": CSV, "__MACOSX/._train.csv": b"\x00\x05\x16\x07"}, {"train.csv": CSV}),
        ({"data/train.csv": CSV, "data/.ipynb_checkpoints/train-checkpoint.csv": CSV}, {"data/train.csv": CSV}),
        ({"data\\.hidden\\a.csv": CSV, "b.csv": CSV}, {"b.csv": CSV}),
        ({"TRAIN.CSV": CSV}, {"TRAIN.CSV": CSV}),
        ({"b.csv": CSV, "a.CSV": CSV, "folder/": b""}, {"a.CSV": CSV, "b.csv": CSV}),
        ({"train.gz": gzip.compress(CSV), "test.gz": gzip.compress(CSV)}, {"test.gz": CSV, "train.gz": CSV}),
        ({"train.CSV.GZ": gzip.compress(CSV)}, {"train.CSV.GZ": CSV}),
        ({"train.csv": gzip.compress(CSV)}, {"train.csv": CSV}),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_of_a_zip_that_are_texts(delivered, members, expected, compression):
    assert contents(delivered("t.zip", zipped(members, compression))) == expected


def test_two_members_of_one_name_are_two_texts(delivered):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", CSV)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.csv", b"other")
    texts = texts_of(delivered("t.zip", buffer.getvalue()))
    assert [(text.member, text.position) for text in texts] == [("a.csv", 0), ("a.csv", 1)]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train.tar.gz", gzip.compress(tar()), "a tar archive within a gzip file, by its content"),
        ("train.csv.gz", gzip.compress(tar("./very/deep/train.csv")), "a tar archive within a gzip file"),
        ("train.csv", tar(), "a tar archive, by its content"),
        ("train.csv", bz2.compress(CSV), "a bzip2 file, by its content"),
        ("train.csv", lzma.compress(CSV), "an xz file, by its content"),
        ("train.gz", gzip.compress(gzip.compress(CSV)), "a gzip file within a gzip file"),
        ("train.gz", gzip.compress(zipped({"a.csv": CSV})), "a zip archive within a gzip file"),
        ("train.zip", zipped({"a.zip": zipped({"a.csv": CSV})}), r"\(member a\.zip\): a zip archive, by its content"),
        (
            "train.zip",
            zipped({"a.tar.gz": gzip.compress(tar())}),
            r"\(member a\.tar\.gz\): a tar archive within a gzip",
        ),
        ("train.csv", b"PAR1\x15\x04", "a Parquet file, by its content"),
        ("train.csv", CSV.decode().encode("utf-16"), "a text in UTF-16, by its content"),
        ("train.csv", b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (
            "t.zip",
            with_flag(zipped({"train.csv": CSV})),
            r"t\.zip \(member train\.csv\): encrypted; deliver it without",
        ),
        ("t.zip", with_flag(zipped({"train.csv": CSV}), 0, 9), r"\(member train\.csv\): compressed by method 9"),
        ("t.zip", zipped({"xl/workbook.xml": b"<x/>"}), "an Excel workbook; save its sheet as CSV"),
        ("t.zip", zipped({}), "the zip archive holds no .csv or .gz file"),
        ("t.zip", zipped({"__MACOSX/._a.csv": CSV}), "the zip archive holds no .csv or .gz file"),
        ("t.zip", b"PK\x03\x04 nonsense", "not a readable zip archive"),
        ("t.zip", zipped({"a.csv": CSV * 50})[:-30], "not a readable zip archive"),
        ("train.gz", gzip.compress(CSV * 50)[:-30], "damaged or truncated"),
        ("train.gz", gzip.compress(CSV) + b"trailing", "damaged or truncated"),
        ("t.zip", zipped({"a.gz": gzip.compress(CSV * 50)[:-30]}), r"\(member a\.gz\): damaged or truncated"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_it_is(delivered, name, data, message):
    file = delivered(name, data)
    with pytest.raises(LandingError, match=message) as raised:
        contents_of_heads(file)
    assert str(raised.value).startswith(file.path)


def contents_of_heads(file):
    """As planning and then parsing read a file."""
    for text in texts_of(file):
        read_head(text)
    contents(file)
