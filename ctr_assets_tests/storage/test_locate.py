"""A URL is of one file system, and whatever a name holds is part of it."""

import os
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from ctr_assets.storage import Store
from ctr_assets.storage.locate import locate

NAMES = [
    "a::b",
    "zip::x",
    "s*r",
    "w?y",
    "[x]",
    "a#1",
    "50%25",
    "~",
    "~root",
    "a b",
    "zürich",
    "日",
    "a:",
    "{0}",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_name_on_a_disk_is_what_it_is(name, scheme):
    fs, path = locate(f"{scheme}/data/{name}/in://it/")
    assert isinstance(fs, LocalFileSystem)
    assert path == f"/data/{name}/in://it"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_object_storage_is_what_it_is(gcs, name):
    fs, path = locate(f"{gcs.uri}/{name}/in://it/")
    assert fs.protocol == ("gs", "gcs")
    assert path == f"{gcs.name}/{name}/in://it"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/", "/"),
        ("file:///", "/"),
        ("/a//", "/a"),
        (".", "{here}"),
        ("./", "{here}"),
        ("./a", "{here}/a"),
        ("a/../b", "{here}/a/../b"),
        ("file://a", "{here}/a"),
        ("~root", "{here}/~root"),
        ("a::b", "{here}/a::b"),
        ("~", "{home}"),
        ("~/a", "{home}/a"),
    ],
)
def test_short_ways_to_write_a_path(url, path):
    assert locate(url)[1] == path.format(here=os.getcwd(), home=Path.home())


@pytest.mark.parametrize("url", ["", "gs://", "gs:///", "file://", "s3://bucket/x", "gcs://bucket/x", "memory://x"])
def test_what_is_no_place_is_named(url):
    with pytest.raises(ValueError, match=rf"'{url}' is no place .* expected a folder, or gs://bucket/prefix"):
        locate(url)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["disk", "gcs"])
def test_a_store_may_be_called_anything(request, tmp_path, name, place):
    root = str(tmp_path) if place == "disk" else request.getfixturevalue("gcs").uri
    stores = [Store(f"{root}/{each}") for each in (name, "star", "way", "x")]
    for store in stores:
        store.begin("table", "day").commit([], {})
        assert store.manifest("table", "day").rows == 0
    stores[0].remove_tree("table", "day")
    assert [store.find("table", "day") is None for store in stores] == [True, False, False, False]
