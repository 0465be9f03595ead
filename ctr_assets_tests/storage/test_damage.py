"""What was damaged by hand names itself and what to do, with the same words on a disk and in object storage."""

import json
import os
import pickle
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from ctr_assets.features import Split
from ctr_assets.storage import NotMaterializedError, Store, UnreadableError, write_parquet
from ctr_assets.storage.damage import reading
from ctr_assets.storage.parts import write_json
from ctr_assets.storage.rows import RawRows, iter_split
from ctr_assets.storage.vocabulary import open_vocabulary, read_values
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY, MADE_FROM, RAW_IMPRESSIONS
from ctr_assets_tests.damaging import DAMAGES, damage, edit_manifest, flip, manifest_path, put
from ctr_assets_tests.encoded_days import write_days

DAY = "2014-10-21"
OTHER_DAY = "2014-10-22"
TODO = f"materialize raw_impressions for {DAY} again"


@pytest.fixture(params=["local", "gcs"])
def store(request, tmp_path):
    return Store(str(tmp_path / "store") if request.param == "local" else f"{request.getfixturevalue('gcs').uri}/s")


def commit(store, day=DAY, table=RAW_IMPRESSIONS, values=(1, 2, 3)):
    version = store.begin(table, day)
    rows = pa.table({"x": list(values), "y": [str(v) * 100 for v in values]})
    return version.commit([write_parquet(store, version.folder, "part.parquet", rows)], {"x": "int64"})


MANIFESTS = {
    "empty": b"",
    "cut off": b'{"table": "raw_impr',
    "no JSON": b"<html>502</html>",
    "no UTF-8": b'{"table": "\xff\xfe"}',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"manifest"',
    "a number": b"1",
    "an object without its fields": b"{}",
    "deeply nested": b"[" * 100_000,
    "zeros": bytes(4096),
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_an_unreadable_manifest_names_its_file_harms_its_day_and_can_be_replaced(store, content):
    commit(store)
    other = commit(store, OTHER_DAY)
    put(store, manifest_path(store, RAW_IMPRESSIONS, DAY), content)
    for read in (store.find, store.manifest):
        with pytest.raises(UnreadableError) as raised:
            read(RAW_IMPRESSIONS, DAY)
        assert str(raised.value).startswith(f"raw_impressions/{DAY}/manifest.json under {store.url} cannot be read (")
        assert str(raised.value).endswith(f"): {TODO}")
        assert "\n" not in str(raised.value)
    assert store.manifest(RAW_IMPRESSIONS, OTHER_DAY) == other
    again = commit(store)
    assert store.manifest(RAW_IMPRESSIONS, DAY) == again


def test_a_folder_in_place_of_a_manifest_is_set_aside_by_the_next_commit(tmp_path):
    store = Store(str(tmp_path))
    commit(store)
    path = Path(manifest_path(store, RAW_IMPRESSIONS, DAY))
    path.unlink()
    (path / "inside").mkdir(parents=True)
    with pytest.raises(UnreadableError, match=r"manifest\.json under .* cannot be read \(Is a directory\)"):
        store.find(RAW_IMPRESSIONS, DAY)
    again = commit(store)
    assert store.manifest(RAW_IMPRESSIONS, DAY) == again
    (kept,) = path.parent.glob("manifest.json.*.damaged")
    assert (kept / "inside").is_dir()


NOBODY = 65534


def as_nobody(work):
    """What ``work`` returns or raises, as text, in a process that has no privilege to read everything."""
    reader, writer = os.pipe()
    if not os.fork():
        told = "killed"
        try:
            if os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            told = str(work())
        except Exception as e:
            told = f"{type(e).__name__}: {e}"
        finally:
            os.write(writer, told.encode())
            os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as told_by_child:
        return told_by_child.read()


def test_a_manifest_that_may_not_be_read_is_unreadable_and_can_be_replaced():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        store = Store(f"{folder}/store")
        commit(store)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o777)
        Path(manifest_path(store, RAW_IMPRESSIONS, DAY)).chmod(0)
        named = f"raw_impressions/{DAY}/manifest.json under {store.url}"
        told = as_nobody(lambda: store.find(RAW_IMPRESSIONS, DAY))
        assert told == f"UnreadableError: {named} cannot be read (Permission denied): {TODO}"
        assert as_nobody(lambda: commit(store).rows) == "3"
        assert store.manifest(RAW_IMPRESSIONS, DAY).rows == 3


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "..\\x", "nul\0", "line\nfeed"])
@pytest.mark.parametrize("of", ["version", "file"])
def test_a_name_that_could_leave_the_store_is_refused(store, name, of):
    manifest = commit(store)
    files = [json.loads(file.model_dump_json()) for file in manifest.files]
    changed = {"version": name} if of == "version" else {"files": [{**files[0], "name": name}]}
    edit_manifest(store, RAW_IMPRESSIONS, DAY, **changed)
    with pytest.raises(UnreadableError, match=f"^raw_impressions/{DAY}/manifest.json .* is not a plain file name"):
        store.find(RAW_IMPRESSIONS, DAY)


@pytest.mark.parametrize("changed", [{"partition": OTHER_DAY}, {"table": "encoded_features"}, {"table": "../x"}])
def test_the_manifest_of_another_place_is_refused(store, changed):
    commit(store)
    edit_manifest(store, RAW_IMPRESSIONS, DAY, **changed)
    with pytest.raises(UnreadableError, match=rf"^raw_impressions/{DAY}/manifest\.json .*: {TODO}$"):
        store.find(RAW_IMPRESSIONS, DAY)


@pytest.mark.parametrize("table", [table for table in MADE_FROM if table not in ("champion_model", "serving_model")])
@pytest.mark.parametrize("partition", ["", "..", "../2014-10-21", "20141021", "2014-10-32", "2014-1-2", "d", "current"])
def test_a_partition_that_is_no_day_is_refused_at_the_border(tmp_path, table, partition):
    store = Store(str(tmp_path))
    for ask in (store.find, store.manifest, store.begin):
        with pytest.raises(ValueError, match=f"^{table} has no partition {re.escape(repr(partition))}: expected a day"):
            ask(table, partition)
    assert list(tmp_path.iterdir()) == []


def test_the_partitions_that_have_names_are_those_of_their_tables(tmp_path):
    store = Store(str(tmp_path))
    assert store.find("quarantined_rows", "undated") is store.find("champion_model", "current") is None
    for table, partition in [("quarantined_rows", "current"), ("champion_model", DAY), ("raw_impressions", "undated")]:
        with pytest.raises(ValueError, match="has no partition"):
            store.find(table, partition)


@pytest.mark.parametrize(
    ("table", "partition", "told"),
    [
        ("champion_model", "current", "materialize champion_model"),
        ("quarantined_rows", DAY, f"materialize raw_impressions for {DAY}"),
        ("quarantined_rows", "undated", "materialize raw_impressions"),
        ("scored_impressions", DAY, f"materialize evaluation_metrics for {DAY}"),
    ],
)
def test_what_to_do_names_the_asset_that_writes_the_table(tmp_path, table, partition, told):
    store = Store(str(tmp_path))
    with pytest.raises(NotMaterializedError, match=rf": {told}$"):
        store.manifest(table, partition)
    commit(store, partition, table)
    put(store, manifest_path(store, table, partition), b"")
    with pytest.raises(UnreadableError, match=rf": {told} again$"):
        store.manifest(table, partition)


@pytest.mark.parametrize("how", [how for how in DAMAGES if how != "flipped"])
def test_a_damaged_parquet_file_names_itself(store, how):
    manifest = commit(store)
    named = damage(store, manifest, manifest.files[0], how)
    with pytest.raises(UnreadableError) as raised, store.parquet(manifest, manifest.files[0]) as parquet:
        parquet.read()
    assert str(raised.value).startswith(f"{named} cannot be read (")
    assert str(raised.value).endswith(f"): {TODO}")


def test_a_column_that_is_cut_to_pieces_names_its_file(store):
    manifest = commit(store, values=range(20_000))
    named = damage(store, manifest, manifest.files[0], "flipped")
    with store.parquet(manifest, manifest.files[0]) as parquet:
        for read in (parquet.read, lambda: parquet.read_row_group(0)):
            with pytest.raises(UnreadableError, match=f"^{re.escape(named)} cannot be read"):
                read()


def test_a_small_file_that_holds_no_object_names_itself(store):
    version = store.begin(RAW_IMPRESSIONS, DAY)
    files = [
        write_json(store, version.folder, name, content) for name, content in (("a.json", {"b": 1}), ("c.json", []))
    ]
    manifest = version.commit(files, {})
    assert store.read_json(manifest, "a.json") == {"b": 1}
    with pytest.raises(UnreadableError, match=rf"/c\.json under .* cannot be read \(it is no JSON object\): {TODO}"):
        store.read_json(manifest, "c.json")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_small_file_names_itself(store, how):
    version = store.begin(RAW_IMPRESSIONS, DAY)
    manifest = version.commit([write_json(store, version.folder, "card.json", {"key": "value" * 100})], {})
    (file,) = manifest.files
    assert json.loads(store.read(manifest, file))["key"].startswith("value")
    with store.local_file(manifest, file) as path:
        assert json.loads(Path(path).read_bytes()) == json.loads(store.read(manifest, file))
    named = damage(store, manifest, file, how)
    for read in (lambda: store.read(manifest, file), lambda: store.local_file(manifest, file).__enter__()):
        with pytest.raises(UnreadableError, match=rf"^{re.escape(named)} cannot be read .*: {TODO}$"):
            read()


def test_a_file_that_a_manifest_does_not_name_is_told_with_those_that_it_names(store):
    with pytest.raises(UnreadableError, match=rf"manifest\.json under .* has no card\.json, only part.*: {TODO}"):
        store.file(commit(store), "card.json")


def test_a_property_that_a_manifest_lacks_is_told_however_deep_it_was_looked_for(tmp_path):
    store = Store(str(tmp_path))
    write_days(store, [DAY], rows_per_day=50)
    vocabulary = store.manifest(FEATURE_VOCABULARY, DAY)
    for manifest in (vocabulary, pickle.loads(pickle.dumps(vocabulary))):
        assert manifest == vocabulary
        for ask in (lambda m: m.properties["new"], lambda m: m.properties["chain"][OTHER_DAY]):
            with pytest.raises(UnreadableError, match=rf"^feature_vocabulary/{DAY}/manifest\.json .* lack"):
                ask(manifest)


@pytest.mark.parametrize(
    ("table", "properties"),
    [
        (FEATURE_VOCABULARY, {}),
        (FEATURE_VOCABULARY, {"chain": []}),
        (FEATURE_VOCABULARY, {"chain": {OTHER_DAY: "x"}}),
        (FEATURE_VOCABULARY, {"chain": {DAY: 1}}),
        (ENCODED_FEATURES, {"splits": 3}),
        (ENCODED_FEATURES, []),
        ("champion_validation", {}),
        ("champion_validation", {"champion_day": None, "metrics": None, "comparison": {"rows": 1}}),
    ],
)
def test_properties_of_another_shape_are_found_when_the_manifest_is_read(tmp_path, table, properties):
    store = Store(str(tmp_path))
    commit(store, table=RAW_IMPRESSIONS)
    write = store.begin(table, DAY)
    write.commit([], {}, properties={"chain": {DAY: "x"}, "metrics": None, "champion_day": None})
    assert store.find(table, DAY) is not None
    edit_manifest(store, table, DAY, properties=properties)
    with pytest.raises(UnreadableError, match=rf"^{table}/{DAY}/manifest\.json under .* cannot be read \("):
        store.find(table, DAY)


READERS = {
    "rows of a split": (ENCODED_FEATURES, lambda s, m: list(iter_split(s, m, [Split.TRAIN], ["label"]))),
    "values": (FEATURE_VOCABULARY, lambda s, m: read_values(s, m, ["C1", "C14"])),
    "vocabulary": (FEATURE_VOCABULARY, lambda s, m: open_vocabulary(s, m).read()),
    "ids": (
        RAW_IMPRESSIONS,
        lambda s, m: RawRows(s, s.manifest(ENCODED_FEATURES, DAY), ["id"]).take(0, pa.array([0]).to_numpy()),
    ),
}


@pytest.mark.parametrize("how", ["missing", "cut off", "of another magic", "grown", "empty"])
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_tables_names_the_damaged_file(store, reader, how):
    write_days(store, [DAY], rows_per_day=60, files_per_day=1)
    table, read = READERS[reader]
    manifest = store.manifest(table, DAY)
    read(store, manifest)
    named = damage(store, manifest, manifest.files[0], how)
    with pytest.raises(UnreadableError, match=rf"^{re.escape(named)} cannot be read .*: materialize {table} for {DAY}"):
        read(store, manifest)


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError("late"), OSError(24, "Too many files")])
def test_a_store_that_cannot_be_asked_is_not_taken_for_a_damaged_one(error):
    with pytest.raises(type(error)) as raised, reading("a file", "do something"):
        raise error
    assert raised.value is error


def test_flipping_changes_bytes_and_not_the_size():
    assert flip(bytes(200)) != bytes(200)
    assert len(flip(bytes(200))) == 200
