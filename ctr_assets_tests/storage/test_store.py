"""A version is readable from the moment its manifest is replaced, and not a moment before."""

import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest

from ctr_assets.storage import NotMaterializedError, Store, write_parquet

COLUMNS = {"x": "int64"}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def commit(store, values, partition="2014-10-21"):
    version = store.begin("numbers", partition)
    file = write_parquet(store, version.folder, "part-00000.parquet", pa.table({"x": values}))
    return version.commit([file], COLUMNS)


def read(store, partition="2014-10-21"):
    manifest = store.manifest("numbers", partition)
    return [v for file in manifest.files for v in store.parquet(manifest, file).read()["x"].to_pylist()]


def test_a_committed_version_is_read_back(store):
    manifest = commit(store, [1, 2, 3])
    assert read(store) == [1, 2, 3]
    assert (manifest.rows, manifest.columns) == (3, COLUMNS)
    assert manifest.bytes == sum(p.stat().st_size for p in Path(store.root).rglob("*.parquet"))


def test_an_uncommitted_version_is_invisible(store):
    commit(store, [1])
    version = store.begin("numbers", "2014-10-21")
    write_parquet(store, version.folder, "part-00000.parquet", pa.table({"x": [9, 9]}))
    assert read(store) == [1]


def test_a_missing_partition_says_what_to_materialize(store):
    assert store.find("numbers", "2014-10-22") is None
    with pytest.raises(NotMaterializedError, match=r"numbers\[2014-10-22\].*materialize numbers for 2014-10-22"):
        store.manifest("numbers", "2014-10-22")


def test_same_data_has_the_same_fingerprint_in_every_version(store):
    first, second = commit(store, [1, 2]), commit(store, [1, 2])
    assert first.version != second.version
    assert first.content_fingerprint == second.content_fingerprint
    assert commit(store, [1, 3]).content_fingerprint != first.content_fingerprint


def test_two_writers_do_not_mix_their_files(store):
    first, second = store.begin("numbers", "d"), store.begin("numbers", "d")
    files = {v.version: write_parquet(store, v.folder, "p.parquet", pa.table({"x": [i]})) for i, v in
             enumerate((first, second))}  # fmt: skip
    second.commit([files[second.version]], COLUMNS)
    first.commit([files[first.version]], COLUMNS)
    assert read(store, "d") == [0]


def test_a_store_travels_to_another_process(store):
    commit(store, [5])
    assert read(pickle.loads(pickle.dumps(store))) == [5]


@pytest.mark.parametrize("dies", ["after the first byte of data", "before the manifest is replaced"])
def test_a_writer_killed_before_the_manifest_leaves_the_previous_version(store, dies):
    previous = commit(store, [1, 2, 3])
    script = f"""
        import os, signal, pyarrow as pa
        from ctr_assets.storage import Store, write_parquet, objects
        import ctr_assets.storage.parts as parts
        kill = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
        if {dies!r} == "after the first byte of data":
            original = parts.HashingSink.write
            parts.HashingSink.write = lambda self, data: (original(self, data), self._raw.flush(), kill())
        else:
            os.replace = kill
        store = Store({store.url!r})
        version = store.begin("numbers", "2014-10-21")
        file = write_parquet(store, version.folder, "part-00000.parquet", pa.table({{"x": [7]}}))
        version.commit([file], {{"x": "int64"}})
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert process.returncode == -9, process.stderr
    assert read(store) == [1, 2, 3]
    assert store.manifest("numbers", "2014-10-21") == previous
    assert commit(store, [4]).rows == 1
    assert read(store) == [4]


def test_the_manifest_is_one_small_json_object(store):
    commit(store, [1])
    found = json.loads((Path(store.root) / "numbers/2014-10-21/manifest.json").read_text())
    assert found["files"][0]["rows"] == 1
    assert set(found) >= {"table", "partition", "version", "files", "schema_fingerprint", "content_fingerprint"}
