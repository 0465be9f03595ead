"""The store on GCS: same manifests as on a disk, and a generation precondition where writers race."""

import pyarrow as pa
import pytest

from ctr_assets.storage import CommitConflictError, Store, write_parquet


@pytest.fixture
def store(gcs):
    return Store(f"{gcs.uri}/tables")


def write(version, values):
    return write_parquet(version.store, version.folder, "part-00000.parquet", pa.table({"x": values}))


def read(store):
    manifest = store.manifest("numbers", "d")
    values = []
    for file in manifest.files:
        with store.parquet(manifest, file) as parquet:
            values += parquet.read(use_threads=False)["x"].to_pylist()
    return values


def test_a_committed_version_is_read_back_and_replaced(store):
    assert store.find("numbers", "d") is None
    for values in ([1, 2], [3]):
        version = store.begin("numbers", "d")
        version.commit([write(version, values)], {"x": "int64"})
        assert read(store) == values


def test_the_slower_of_two_writers_is_refused(store):
    slow, fast = store.begin("numbers", "d"), store.begin("numbers", "d")
    fast.commit([write(fast, [1])], {"x": "int64"})
    file = write(slow, [2])
    with pytest.raises(CommitConflictError, match="replaced by another writer"):
        slow.commit([file], {"x": "int64"})
    assert read(store) == [1]


def test_the_same_data_has_the_fingerprint_it_has_on_a_disk(store, tmp_path):
    fingerprints = []
    for place in (store, Store(str(tmp_path))):
        version = place.begin("numbers", "d")
        fingerprints.append(version.commit([write(version, [1, 2, 3])], {"x": "int64"}).content_fingerprint)
    assert fingerprints[0] == fingerprints[1]
