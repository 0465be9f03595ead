"""Vocabulary and encoding against a plain-Python reference: append-only, deterministic, and the same ids anywhere."""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from ctr_assets.crosses import CROSS_SEPARATOR
from ctr_assets.etl.encode import encode
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.vocabulary import build
from ctr_assets.features import FEATURE_BY_NAME, FEATURES, HOUR_OF_DAY, LONG_FEATURES, Split
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import NotMaterializedError, Store
from ctr_assets.storage.vocabulary import chain_of, read_values
from ctr_assets.tables import ENCODED_FEATURES, ENCODED_SCHEMA, FEATURE_VOCABULARY, RAW_IMPRESSIONS
from ctr_assets_tests.deliveries import deliver, deliver_feed, impressions

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]


@pytest.fixture
def store(spark, tmp_path):
    """Three raw days; device_ip values need ten training rows, so some earn their id on the second or third day."""
    landing = tmp_path / "landing"
    deliver_feed(landing, DAYS, 900)
    deliver(landing, f"day={DAYS[1]}/more.csv", impressions(DAYS[1], 300, seed=9))
    deliver(landing, f"day={DAYS[2]}/unlabelled.csv", impressions(DAYS[2], 200, seed=8, labelled=False))
    store = Store(str(tmp_path / "store"))
    ingest(spark, store, str(landing), DAYS, max_quarantined_share=0, created_by={})
    return store


def raw_rows(store, day):
    """Rows of a raw day as dicts of strings, with their split code."""
    manifest = store.manifest(RAW_IMPRESSIONS, day)
    for file in manifest.files:
        table = store.parquet(manifest, file).read()
        labelled = ~table["click"].is_null().to_numpy()
        codes = split_codes(stable_hash(table["id"].combine_chunks()), labelled)
        for row, code in zip(table.to_pylist(), codes, strict=True):
            yield {**row, HOUR_OF_DAY: f"{row['hour'].hour:02d}", "split": int(code)}


def value_of(feature, row):
    return CROSS_SEPARATOR.join(row[column] for column in feature.columns)


def reference_vocabularies(store, days):
    """Day -> feature -> values in id order, computed one row at a time."""
    counts: dict[str, Counter] = defaultdict(Counter)
    values: dict[str, list[str]] = defaultdict(list)
    found = {}
    for day in days:
        for row in raw_rows(store, day):
            if row["split"] == Split.TRAIN.code:
                for feature in FEATURES:
                    counts[feature.name][value_of(feature, row)] += 1
        for feature in FEATURES:
            known, of_feature = set(values[feature.name]), counts[feature.name]
            new = [v for v, count in of_feature.items() if count >= feature.min_count and v not in known]
            values[feature.name] += sorted(new, key=lambda v: (-of_feature[v], v))
        found[day] = {name: list(of_feature) for name, of_feature in values.items()}
    return found


def vocabularies(store, days):
    return {day: read_values(store, store.manifest(FEATURE_VOCABULARY, day), FEATURE_BY_NAME) for day in days}


def test_vocabulary_equals_the_reference(spark, store):
    build(spark, store, DAYS, None, {}, {})
    assert vocabularies(store, DAYS) == reference_vocabularies(store, DAYS)
    grown = [len(vocabularies(store, DAYS)[day]["device_ip"]) for day in DAYS]
    assert grown[0] < grown[1] < grown[2]


def test_ids_never_change_and_days_are_prefixes_of_one_another(spark, store):
    build(spark, store, DAYS, None, {}, {})
    found = vocabularies(store, DAYS)
    for earlier, later in pairwise(DAYS):
        for name, values in found[earlier].items():
            assert found[later][name][: len(values)] == values
            assert len(set(found[later][name])) == len(found[later][name])


def test_one_run_or_one_day_at_a_time_gives_the_same_bytes(spark, store):
    together = build(spark, store, DAYS, None, {}, {})
    alone = {
        day: build(spark, store, [day], previous, {}, {})[day]
        for previous, day in zip([None, *DAYS], DAYS, strict=False)
    }
    for day in DAYS:
        assert alone[day].content_fingerprint == together[day].content_fingerprint
        assert alone[day].properties["chain"] == together[day].properties["chain"]


def test_a_changed_day_changes_the_chain_from_that_day_on(spark, store, tmp_path):
    before = chain_of(store, build(spark, store, DAYS, None, {}, {})[DAYS[2]], DAYS)
    deliver(tmp_path / "landing", f"day={DAYS[1]}/extra.csv", impressions(DAYS[1], 400, seed=3))
    ingest(spark, store, str(tmp_path / "landing"), [DAYS[1]], max_quarantined_share=0, created_by={})
    after = chain_of(store, build(spark, store, DAYS[1:], DAYS[0], {}, {})[DAYS[2]], DAYS)
    assert before[DAYS[0]] == after[DAYS[0]]
    assert before[DAYS[1]] != after[DAYS[1]]
    assert before[DAYS[2]] != after[DAYS[2]]


def test_min_count_can_be_set(spark, store):
    few = build(spark, store, DAYS[:1], None, {"device_ip": 1}, {})[DAYS[0]].properties["sizes"]["device_ip"]
    many = build(spark, store, DAYS[:1], None, {"device_ip": 20}, {})[DAYS[0]].properties["sizes"]["device_ip"]
    training = [row for row in raw_rows(store, DAYS[0]) if row["split"] == Split.TRAIN.code]
    counts = Counter(row["device_ip"] for row in training)
    assert few == len(counts)
    assert many == sum(count >= 20 for count in counts.values())


def test_a_missing_predecessor_says_what_to_materialize(spark, store):
    with pytest.raises(NotMaterializedError, match="materialize feature_vocabulary for 2014-10-21"):
        build(spark, store, DAYS[1:], DAYS[0], {}, {})


def encoded_rows(store, day):
    manifest = store.manifest(ENCODED_FEATURES, day)
    for index, file in enumerate(manifest.files):
        for row in store.parquet(manifest, file).read().to_pylist():
            yield index, row


def test_encoded_rows_equal_the_reference(spark, store):
    build(spark, store, DAYS, None, {}, {})
    encode(spark, store, DAYS, {})
    reference = reference_vocabularies(store, DAYS)
    for day in DAYS:
        ids = {name: {v: i + 1 for i, v in enumerate(values)} for name, values in reference[day].items()}
        raw, seen = list(raw_rows(store, day)), 0
        sizes = [file.rows for file in store.manifest(RAW_IMPRESSIONS, day).files]
        for index, row in encoded_rows(store, day):
            source = raw[sum(sizes[:index]) + row["row"]]
            assert row["label"] == source["click"]
            assert row["split"] == source["split"]
            for feature in FEATURES:
                assert row[feature.name] == ids[feature.name].get(value_of(feature, source), 0)
            seen += 1
        assert seen == len(raw)


def test_a_row_group_holds_rows_of_one_split(spark, store):
    build(spark, store, DAYS, None, {}, {})
    for manifest in encode(spark, store, DAYS, {}).values():
        for file in manifest.files:
            with store.parquet(manifest, file) as parquet:
                assert parquet.schema_arrow.equals(ENCODED_SCHEMA)
                splits = [parquet.read_row_group(i, columns=["split"])["split"] for i in range(parquet.num_row_groups)]
            assert all(len(set(split.to_pylist())) == 1 for split in splits)


def test_encoding_twice_or_in_another_order_gives_the_same_bytes(spark, store):
    build(spark, store, DAYS, None, {}, {})
    together = encode(spark, store, DAYS, {})
    for day in reversed(DAYS):
        assert encode(spark, store, [day], {})[day].content_fingerprint == together[day].content_fingerprint


def test_unlabelled_rows_are_encoded_and_teach_the_vocabulary_nothing(spark, store):
    build(spark, store, DAYS, None, {}, {})
    manifest = encode(spark, store, DAYS, {})[DAYS[2]]
    assert manifest.properties["splits"]["unlabelled"] == 200
    assert sum(manifest.properties["splits"].values()) == manifest.rows == 1100
    labels = [store.parquet(manifest, file).read(columns=["label"])["label"].to_numpy() for file in manifest.files]
    assert manifest.properties["clicks"] == np.nansum(np.concatenate(labels)) > 0


def test_vocabularies_of_different_chains_are_refused(spark, store, tmp_path):
    build(spark, store, DAYS, None, {}, {})
    build(spark, store, DAYS[:1], None, {"site_id": 5}, {})
    with pytest.raises(ValueError, match=r"feature_vocabulary\[2014-10-23\] does not continue.*materialize"):
        encode(spark, store, DAYS, {})


def test_long_features_are_among_the_features():
    assert {feature.name for feature in FEATURES} >= set(LONG_FEATURES)
