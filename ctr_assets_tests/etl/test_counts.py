"""The counts that lie beside raw rows: those of exactly these rows, however they were delivered."""

from collections import Counter

import pytest

from ctr_assets.etl import counts as counts_module
from ctr_assets.etl.counts import COUNTS, find_counts, read_counts
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.vocabulary import build
from ctr_assets.features import FEATURES, Split
from ctr_assets.storage import Store
from ctr_assets.storage.segments import BUCKETS
from ctr_assets.tables import RAW_IMPRESSIONS
from ctr_assets_tests.damaging import edit_manifest
from ctr_assets_tests.deliveries import deliver, impressions
from ctr_assets_tests.etl.test_feature_tables import raw_rows, value_of

DAYS = ["2014-10-21", "2014-10-22"]


@pytest.fixture
def store(spark, tmp_path):
    """Two days in one archive, a feed that repeats some of its rows, and one whose rows all came before."""
    landing, store = tmp_path / "landing", Store(str(tmp_path / "store"))
    rows = {day: impressions(day, 300) for day in DAYS}
    deliver(landing, "train.gz", [*rows[DAYS[0]], *rows[DAYS[1]]])
    deliver(landing, f"day={DAYS[0]}/some.csv", [*impressions(DAYS[0], 100, seed=1), *rows[DAYS[0]][:50]])
    deliver(landing, f"day={DAYS[1]}/all.csv", rows[DAYS[1]])
    deliver(landing, f"day={DAYS[1]}/unlabelled.csv", impressions(DAYS[1], 80, seed=2, labelled=False))
    ingest(spark, store, str(landing), DAYS, max_quarantined_share=0, created_by={})
    return store


def counts_of(store, day):
    manifest = store.manifest(RAW_IMPRESSIONS, day)
    files = find_counts(manifest)
    assert files is not None
    assert len(files) == len(manifest.files)
    tables = [read_counts(store, manifest, file, bucket) for file in files for bucket in range(BUCKETS)]
    summed: Counter[tuple[int, str]] = Counter()
    for row in (row for table in tables for row in table.to_pylist()):
        summed[row["feature"], row["value"]] += row["count"]
    return summed


def test_they_name_every_value_that_occurs_and_count_those_of_training_rows(store):
    for day in DAYS:
        occurs: set[tuple[int, str]] = set()
        trains: Counter[tuple[int, str]] = Counter()
        for row in raw_rows(store, day):
            for position, feature in enumerate(FEATURES):
                occurs.add((position, value_of(feature, row)))
                trains[position, value_of(feature, row)] += row["split"] == Split.TRAIN.code
        counted = counts_of(store, day)
        assert set(counted) == occurs
        assert +counted == +trains


@pytest.mark.parametrize("made_for", [None, "other features"])
def test_a_raw_day_whose_counts_do_not_fit_is_counted_from_its_rows(spark, store, made_for):
    with_counts = build(spark, store, DAYS, None, {}, {})
    for day in DAYS:
        properties = dict(store.manifest(RAW_IMPRESSIONS, day).properties)
        nothing = {"made_for": made_for, "files": []}
        properties = (
            {**properties, COUNTS: nothing} if made_for else {k: v for k, v in properties.items() if k != COUNTS}
        )
        edit_manifest(store, RAW_IMPRESSIONS, day, properties=properties)
    without = build(spark, store, DAYS, None, {}, {})
    for day in DAYS:
        assert without[day].content_fingerprint == with_counts[day].content_fingerprint


@pytest.mark.parametrize(
    "changed",
    [("FEATURES", FEATURES[1:]), ("FEATURES", FEATURES[::-1]), ("TEST_SHARE", 0.5), ("VALIDATION_SHARE", 0.1)],
)
def test_counts_fit_one_order_of_features_and_one_split(store, monkeypatch, changed):
    raw = store.manifest(RAW_IMPRESSIONS, DAYS[0])
    assert find_counts(raw) is not None
    monkeypatch.setattr(counts_module, *changed)
    assert find_counts(raw) is None
