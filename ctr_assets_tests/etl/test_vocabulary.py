"""The index of a vocabulary over many days: what it says, what a day writes of it, and the layout before it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ctr_assets.days import shift
from ctr_assets.etl.admission import Before, admit
from ctr_assets.etl.counts import COUNTS_SCHEMA
from ctr_assets.etl.encode import encode
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.vocabulary import build
from ctr_assets.features import FEATURE_BY_NAME, FEATURES
from ctr_assets.split import stable_hash
from ctr_assets.storage import Store, UnreadableError, write_parquet
from ctr_assets.storage import entries as entries_module
from ctr_assets.storage import segments as segments_module
from ctr_assets.storage.entries import merge
from ctr_assets.storage.ipc import from_ipc
from ctr_assets.storage.segments import BUCKETS, read_bucket
from ctr_assets.storage.vacuum import delete_garbage, find_garbage
from ctr_assets.storage.vocabulary import chain_of, read_index, read_named, read_new, read_values, write_vocabulary
from ctr_assets.tables import FEATURE_VOCABULARY, VOCABULARY_SCHEMA, columns_of
from ctr_assets_tests.damaging import damage
from ctr_assets_tests.deliveries import deliver, deliver_feed, impressions
from ctr_assets_tests.etl.test_feature_tables import reference_vocabularies, vocabularies

DAYS = [shift("2014-10-21", n) for n in range(4)]


@pytest.fixture(scope="module")
def landing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landing")
    deliver_feed(folder, DAYS, 120)
    return folder


@pytest.fixture(scope="module")
def raw_days(spark, landing, tmp_path_factory):
    store = Store(str(tmp_path_factory.mktemp("raw")))
    ingest(spark, store, str(landing), DAYS, max_quarantined_share=0, created_by={})
    return store


@pytest.fixture
def store(raw_days, tmp_path):
    """The raw days, without a vocabulary."""
    copied = Store(str(tmp_path / "store"))
    raw_days.fs.cp(raw_days.url, copied.url, recursive=True)
    return copied


@pytest.fixture
def merging_soon(monkeypatch):
    monkeypatch.setattr(segments_module, "FAN_IN", 2)


def known_of(store, day) -> dict[tuple[int, str], int]:
    """The state of every value in the segments of a day."""
    index = read_index(store, store.manifest(FEATURE_VOCABULARY, day))
    runs = [part for each in reversed(index.segments) for b in range(BUCKETS) for part in read_bucket(store, each, b)]
    found = merge([*runs])
    features = entries_module.features_of(found.keys).tolist()
    return dict(zip(zip(features, found.values.to_pylist(), strict=True), found.states.tolist(), strict=True))


def test_every_day_says_what_the_reference_says_however_segments_are_merged(spark, store, merging_soon, monkeypatch):
    build(spark, store, DAYS, None, {}, {})
    assert vocabularies(store, DAYS) == reference_vocabularies(store, DAYS)
    indexes = [read_index(store, store.manifest(FEATURE_VOCABULARY, day)) for day in DAYS]
    assert [[each.level for each in index.segments] for index in indexes] == [
        *([0], [1], [1, 0], [2]),
    ]
    last = store.manifest(FEATURE_VOCABULARY, DAYS[-1])
    assert chain_of(store, last, [*DAYS, "2015-01-01"]) == {
        day: store.manifest(FEATURE_VOCABULARY, day).properties["chain"][day] for day in DAYS
    }
    assert [*last.properties["chain"]] == DAYS[-2:]
    known = known_of(store, DAYS[-1])
    monkeypatch.setattr(segments_module, "FAN_IN", 9)
    build(spark, store, DAYS, None, {}, {})
    assert known_of(store, DAYS[-1]) == known


def test_a_day_writes_what_is_new_on_it_and_names_what_occurred(spark, store):
    build(spark, store, DAYS, None, {}, {})
    for before, day in zip([None, *DAYS], DAYS, strict=False):
        vocabulary = store.manifest(FEATURE_VOCABULARY, day)
        sizes = store.manifest(FEATURE_VOCABULARY, before).properties["sizes"] if before else {}
        parts = [[*read_new(store, vocabulary, [name])] for name in FEATURE_BY_NAME]
        ids = [of[0].states if of else np.empty(0) for of in parts]
        assert [len(of) for of in ids] == [*vocabulary.properties["new"].values()]
        assert all(
            np.array_equal(of, np.arange(1, len(of) + 1) + sizes.get(name, 0))
            for name, of in zip(FEATURE_BY_NAME, ids, strict=True)
        )
    values = vocabularies(store, DAYS[-1:])[DAYS[-1]]
    named = read_named(store, vocabulary)
    for position, feature in enumerate(FEATURE_BY_NAME):
        entries = named.of_feature(position)
        assert 0 < len(entries) <= len(values[feature])
        assert entries.values.to_pylist() == [values[feature][id - 1] for id in entries.states]


def test_a_lower_min_count_admits_what_waited_and_does_not_occur(spark, store):
    build(spark, store, DAYS[:2], None, {"device_ip": 50}, {})
    waiting = {value: -state for (_, value), state in known_of(store, DAYS[1]).items() if state < 0}
    lowered = build(spark, store, DAYS[2:3], DAYS[1], {"device_ip": 2}, {})[DAYS[2]]
    values = read_values(store, lowered, ["device_ip"])["device_ip"]
    assert {value for value, count in waiting.items() if count >= 2 and value.startswith("ip")} <= {*values}
    assert len(set(values)) == len(values)


def in_former_layout(store, day):
    """Commit the vocabulary of a day again as it was written before there was an index."""
    vocabulary = store.manifest(FEATURE_VOCABULARY, day)
    version = store.begin(FEATURE_VOCABULARY, day)
    values = {name: pa.array(of) for name, of in read_values(store, vocabulary, FEATURE_BY_NAME).items()}
    waiting = [(FEATURES[f].name, value, -state) for (f, value), state in known_of(store, day).items() if state < 0]
    halves = [waiting[::2], waiting[1::2]]  # its buckets were others
    names = ("feature", "value", "count")
    tables = [pa.table([*zip(*half, strict=True)], names=names) for half in halves]
    files = [
        write_vocabulary(version, values, {}),
        *(write_parquet(store, version.folder, f"pending-0000{i}.parquet", table) for i, table in enumerate(tables)),
    ]
    properties = {name: of for name, of in vocabulary.properties.items() if name != "index"}
    properties["chain"] = chain_of(store, vocabulary, DAYS)
    raw = store.manifest("raw_impressions", day)
    return version.commit(files, columns_of(VOCABULARY_SCHEMA), inputs=[raw], properties=properties)


def test_a_vocabulary_of_the_former_layout_is_read_and_continued(spark, store):
    whole = build(spark, store, DAYS, None, {}, {})
    expected, known = vocabularies(store, DAYS), known_of(store, DAYS[-1])
    former, later = DAYS[:2], DAYS[2:]
    encoded = encode(spark, store, former, {})
    for day in former:
        in_former_layout(store, day)
    assert vocabularies(store, former) == {day: expected[day] for day in former}
    again = encode(spark, store, former, {})
    assert [of.content_fingerprint for of in again.values()] == [of.content_fingerprint for of in encoded.values()]
    continued = build(spark, store, later, former[-1], {}, {})
    assert {day: of.properties["chain"][day] for day, of in continued.items()} == {
        day: whole[day].properties["chain"][day] for day in later
    }
    assert vocabularies(store, later) == {day: expected[day] for day in later}
    assert known_of(store, DAYS[-1]) == known
    last = continued[DAYS[-1]]
    assert [*chain_of(store, last, DAYS)] == DAYS


def test_a_vocabulary_of_another_version_of_the_raw_day_encodes_nothing(spark, store, landing, tmp_path):
    build(spark, store, DAYS[:1], None, {}, {})
    first = encode(spark, store, DAYS[:1], {})[DAYS[0]]
    ingest(spark, store, str(landing), DAYS[:1], max_quarantined_share=0, created_by={})
    assert encode(spark, store, DAYS[:1], {})[DAYS[0]].content_fingerprint == first.content_fingerprint
    deliver(tmp_path / "more", f"day={DAYS[0]}/other.csv", impressions(DAYS[0], 50, seed=7))
    ingest(spark, store, str(tmp_path / "more"), DAYS[:1], max_quarantined_share=0, created_by={})
    with pytest.raises(ValueError, match=r"another version of raw_impressions.*materialize feature_vocabulary for"):
        encode(spark, store, DAYS[:1], {})


def test_the_vacuum_keeps_the_segments_that_later_days_refer_to(spark, store, landing, merging_soon):
    build(spark, store, DAYS, None, {}, {})
    expected = vocabularies(store, DAYS)
    build(spark, store, DAYS[:2], None, {}, {})  # the same content: later days go on from the versions of before
    found = find_garbage(store, keep_days=1, now=datetime.now(UTC) + timedelta(days=2))
    assert all(delete_garbage(store, garbage) for garbage in found)
    kept = {day: len(store.fs.glob(store.path(FEATURE_VOCABULARY, day, "20*"))) for day in DAYS}
    assert kept == {**dict.fromkeys(DAYS, 1), DAYS[1]: 2}
    assert vocabularies(store, DAYS) == expected


def test_a_damaged_segment_is_named_with_the_days_to_make_again(spark, store):
    build(spark, store, DAYS[:3], None, {}, {})
    first = store.manifest(FEATURE_VOCABULARY, DAYS[0])
    last = store.manifest(FEATURE_VOCABULARY, DAYS[2])
    bucket = next(file for file in first.files if file.name.startswith("index-"))
    damage(store, first, bucket, "cut off")
    with pytest.raises(UnreadableError, match=rf"materialize {FEATURE_VOCABULARY} for {DAYS[0]} again, and for every"):
        read_values(store, last, ["device_ip"])


def admitted_over_days(folder) -> list[tuple[set, dict]]:
    """Three days of one bucket without Spark: what each admits, and what it knew; the ids are handed out in between."""
    store, rng = Store(str(folder)), np.random.default_rng(0)
    limits = {feature.name: 3 for feature in FEATURES}
    before, sizes, outcomes = None, dict.fromkeys(FEATURE_BY_NAME, 0), []
    for day in DAYS[:3]:
        version = store.begin(FEATURE_VOCABULARY, day)
        values = pa.array([f"v{n}" for n in np.unique(rng.integers(0, 300, 200))])
        of = [np.full(len(values), 1, np.int8), values, rng.integers(0, 3, len(values))]
        outcome = admit(version, 0, [pa.table(of, schema=COUNTS_SCHEMA)], before, limits)
        admitted = from_ipc(outcome.admitted)["value"].to_pylist()
        new = {
            name: pa.array(sorted(admitted) if i == 1 else [], pa.string()) for i, name in enumerate(FEATURE_BY_NAME)
        }
        files = [write_vocabulary(version, new, sizes), *filter(None, [outcome.known, outcome.index])]
        sizes = {name: size + len(new[name]) for name, size in sizes.items()}
        manifest = version.commit(files, {}, properties={"sizes": sizes, "chain": {day: ""}, "min_counts": limits})
        named = read_named(store, manifest)
        outcomes.append(({*admitted}, dict(zip(named.values.to_pylist(), named.states.tolist(), strict=True))))
        segments = () if before is None else before.segments
        segment = segments_module.Segment(
            table=FEATURE_VOCABULARY,
            partition=day,
            version=version.version,
            first_day=day,
            level=0,
            files={0: outcome.index} if outcome.index else {},
            chain=files[0],
        )
        before = Before(manifest, (*segments, segment), len(segments) + 1)
    return outcomes


def test_values_whose_hashes_collide_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(segments_module, "BUCKETS", 1)
    expected = admitted_over_days(tmp_path / "apart")
    assert all(expected[-1])
    monkeypatch.setattr(entries_module, "stable_hash", lambda values: stable_hash(values) % np.uint64(5))
    assert admitted_over_days(tmp_path / "colliding") == expected
