"""What the vacuum deletes, and what it never does; on a local disk and in object storage."""

from datetime import UTC, datetime, timedelta

import pytest

from ctr_assets.storage import DataFile, Store
from ctr_assets.storage.vacuum import delete_garbage, find_garbage

DAY = "2014-10-21"
LATER = datetime.now(UTC) + timedelta(days=15)
"""Everything written in these tests is 15 days old then."""


@pytest.fixture(params=["local", "gcs"])
def store(request, tmp_path):
    return Store(str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("gcs").uri)


def write(store, path, content=b"12345"):
    store.fs.makedirs(store.path(path).rsplit("/", 1)[0], exist_ok=True)
    store.fs.pipe_file(store.path(path), content)


def begin(store, table="encoded_features"):
    version = store.begin(table, DAY)
    write(store, f"{table}/{DAY}/{version.version}/part.parquet")
    return version


def commit(store, table="encoded_features", inputs=()):
    version = begin(store, table)
    return version.commit([DataFile(name="part.parquet", rows=1, bytes=5, sha256="x")], {}, inputs=inputs)


def garbage(store, keep_days=14, now=LATER):
    return {found.path: found.bytes for found in find_garbage(store, keep_days=keep_days, now=now)}


def exists(store, path):
    store.fs.invalidate_cache()
    return store.fs.exists(store.path(path))


def test_versions_that_were_replaced_or_never_committed_are_garbage(store):
    replaced, abandoned, current = commit(store), begin(store), commit(store)
    folder = f"encoded_features/{DAY}"
    assert garbage(store) == {f"{folder}/{replaced.version}": 5, f"{folder}/{abandoned.version}": 5}
    for found in find_garbage(store, keep_days=14, now=LATER):
        assert delete_garbage(store, found)
    assert garbage(store) == {}
    assert not exists(store, f"{folder}/{replaced.version}/part.parquet")
    assert exists(store, f"{folder}/{current.version}/part.parquet")
    assert store.manifest("encoded_features", DAY) == current


def test_young_versions_are_kept(store):
    commit(store)
    begin(store)
    commit(store)
    assert garbage(store, now=datetime.now(UTC)) == {}
    assert garbage(store, keep_days=16) == {}


def test_what_a_current_table_was_made_from_is_kept(store):
    old = commit(store, "raw_impressions")
    commit(store, "encoded_features", inputs=[old])
    commit(store, "raw_impressions")
    assert garbage(store) == {}


def test_a_version_that_was_committed_meanwhile_is_kept(store):
    commit(store)
    version = begin(store)
    found = next(g for g in find_garbage(store, keep_days=14, now=LATER) if g.path.endswith(version.version))
    version.commit([DataFile(name="part.parquet", rows=1, bytes=5, sha256="x")], {})
    assert not delete_garbage(store, found)
    assert exists(store, found.path)


def test_abandoned_checkpoints_are_garbage(store):
    folder = f"checkpoints/wide_deep_model/{DAY}/0123abcd"
    write(store, f"{folder}/epoch-0001.pt")
    assert garbage(store, now=datetime.now(UTC)) == {}
    (found,) = find_garbage(store, keep_days=14, now=LATER)
    assert (found.table, found.path, found.bytes) == ("checkpoints of wide_deep_model", folder, 5)
    assert delete_garbage(store, found)
    assert not exists(store, folder)


def test_a_half_written_manifest_is_garbage(store):
    current = commit(store)
    write(store, f"encoded_features/{DAY}/manifest.json.0123abcd.tmp")
    assert list(garbage(store)) == [f"encoded_features/{DAY}/manifest.json.0123abcd.tmp"]
    assert delete_garbage(store, find_garbage(store, keep_days=14, now=LATER)[0])
    assert store.manifest("encoded_features", DAY) == current


def test_an_empty_store_holds_no_garbage(store):
    assert garbage(store) == {}


def test_what_is_no_version_is_not_touched(store):
    commit(store)
    write(store, f"encoded_features/{DAY}/notes/readme.txt")
    write(store, "readme.txt")
    assert garbage(store) == {}


@pytest.mark.parametrize("content", [b"", b"{}", b"[1", b"\xff"])
def test_what_an_unreadable_manifest_could_have_named_is_kept_and_told(store, content):
    encoded, raw, model = (commit(store, table) for table in ("encoded_features", "raw_impressions", "wide_deep_model"))
    for table in ("encoded_features", "raw_impressions", "wide_deep_model"):
        commit(store, table)
    write(store, f"raw_impressions/{DAY}/manifest.json.0123abcd.tmp")
    write(store, f"encoded_features/{DAY}/manifest.json", content)
    told: list[str] = []
    found = find_garbage(store, keep_days=14, now=LATER, tell=told.append)
    assert {each.path for each in found} == {
        f"wide_deep_model/{DAY}/{model.version}",
        f"raw_impressions/{DAY}/manifest.json.0123abcd.tmp",
    }
    (why,) = told
    assert f"No version of encoded_features[{DAY}], raw_impressions, feature_vocabulary is deleted" in why
    assert f"materialize encoded_features for {DAY} again" in why
    commit(store, "encoded_features")
    assert f"encoded_features/{DAY}/{encoded.version}" in garbage(store)
    assert f"raw_impressions/{DAY}/{raw.version}" in garbage(store)


def test_an_unreadable_manifest_of_raw_impressions_keeps_only_its_own_day(store):
    old = commit(store, "raw_impressions")
    other = store.begin("raw_impressions", "2014-10-22")
    write(store, f"raw_impressions/2014-10-22/{other.version}/part.parquet")
    write(store, f"raw_impressions/{DAY}/manifest.json", b"")
    assert list(garbage(store)) == [f"raw_impressions/2014-10-22/{other.version}"]
    assert exists(store, f"raw_impressions/{DAY}/{old.version}/part.parquet")


def test_an_unreadable_manifest_of_a_table_that_is_not_ours_keeps_every_version(store):
    commit(store)
    commit(store)
    commit(store, "numbers")
    write(store, f"numbers/{DAY}/manifest.json", b"")
    assert garbage(store) == {}


def test_a_manifest_that_was_damaged_meanwhile_keeps_the_version(store):
    commit(store)
    commit(store)
    (found,) = find_garbage(store, keep_days=14, now=LATER)
    write(store, f"encoded_features/{DAY}/manifest.json", b"")
    assert not delete_garbage(store, found)
    assert exists(store, found.path)


def test_what_was_set_aside_is_garbage_when_it_is_old(store):
    current = commit(store)
    write(store, f"encoded_features/{DAY}/manifest.json.0123abcd.damaged/inside")
    folder = f"checkpoints/wide_deep_model/{DAY}/0123abcd"
    write(store, f"{folder}/epoch-0001.pt.0123abcd.damaged")
    found = find_garbage(store, keep_days=14, now=LATER)
    assert garbage(store, now=datetime.now(UTC)) == {}
    assert [each.path for each in found][-1] == folder
    assert all(delete_garbage(store, each) for each in found)
    assert store.manifest("encoded_features", DAY) == current
