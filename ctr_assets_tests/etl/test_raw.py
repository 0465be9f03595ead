"""Landing files become raw impressions: every valid row of the day once, every other in quarantine with a reason."""

import gzip
import random
from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ctr_assets.etl import deduplicate as deduplicate_module
from ctr_assets.etl.raw import ingest
from ctr_assets.etl.validate import parse_hour
from ctr_assets.landing.errors import LandingError
from ctr_assets.storage import Store
from ctr_assets.tables import QUARANTINE, RAW_IMPRESSIONS, RAW_SCHEMA
from ctr_assets_tests.deliveries import COLUMNS, deliver, deliver_feed, impressions, to_csv

DAYS = ["2014-10-21", "2014-10-22"]


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "landing"


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def run(spark, store, landing, days=DAYS, share=0.01):
    return ingest(spark, store, str(landing), days, max_quarantined_share=share, created_by={})


def rows_of(store, day, table=RAW_IMPRESSIONS):
    manifest = store.manifest(table, day)
    return [row for file in manifest.files for row in store.parquet(manifest, file).read().to_pylist()]


def expected(delivered):
    """What the plain reading of delivered rows is, one dict a row."""
    return [
        {
            **row,
            "click": int(row["click"]) if "click" in row else None,
            "hour": datetime.strptime(row["hour"], "%y%m%d%H").replace(tzinfo=UTC),
        }
        for row in delivered
    ]


def by_id(rows):
    return sorted(rows, key=lambda row: row["id"])


def test_feed_archive_gzip_and_shuffled_columns_all_give_the_same_rows(spark, store, landing):
    delivered = {day: impressions(day, 300) for day in DAYS}
    everything = [row for rows in delivered.values() for row in rows]
    shuffled = random.Random(1).sample(COLUMNS, len(COLUMNS))
    for case, (name, columns) in enumerate([("train.csv", None), ("train.gz", shuffled), ("x.csv", shuffled)]):
        here = landing / str(case)
        deliver(here, name, everything, columns)
        run(spark, store, here)
        for day in DAYS:
            assert rows_of(store, day) == expected(delivered[day])
    manifest = store.manifest(RAW_IMPRESSIONS, DAYS[0])
    with store.parquet(manifest, manifest.files[0]) as parquet:
        assert parquet.schema_arrow.equals(RAW_SCHEMA)


def test_one_run_over_all_days_of_an_archive_parses_it_once(spark, store, landing, monkeypatch):
    deliver(landing, "train.gz", [row for day in DAYS for row in impressions(day, 50)])
    tracker = spark.sparkContext.statusTracker()
    before = set(tracker.getJobIdsForGroup(None))
    run(spark, store, landing)
    jobs = sorted(set(tracker.getJobIdsForGroup(None)) - before)
    tasks = [tracker.getStageInfo(s).numTasks for j in jobs for s in tracker.getJobInfo(j).stageIds]
    # One task parses the one archive, for both days; one task a day then looks for repeated ids.
    assert tasks == [1, 2]


def test_unlabelled_rows_are_kept_with_a_null_label(spark, store, landing):
    delivered = impressions(DAYS[0], 40, labelled=False)
    deliver(landing, "test.gz", delivered)
    run(spark, store, landing)
    assert rows_of(store, DAYS[0]) == expected(delivered)
    assert {row["click"] for row in rows_of(store, DAYS[0])} == {None}


def test_an_id_beyond_a_signed_64_bit_integer_is_kept_exactly(spark, store, landing):
    rows = impressions(DAYS[0], 2)
    rows[0]["id"] = "99999999999999999999"
    deliver(landing, "train.csv", rows)
    run(spark, store, landing)
    assert rows_of(store, DAYS[0])[0]["id"] == "99999999999999999999"


BROKEN = [
    ("a wrong column count", lambda line: line + ",extra", "25 columns, expected 24", "undated"),
    ("an unparsable hour", lambda line: swap(line, "hour", "14102199"), "hour is not YYMMDDHH", "undated"),
    ("an hour that is text", lambda line: swap(line, "hour", "yesterday"), "hour is not YYMMDDHH", "undated"),
    ("a click of 2", lambda line: swap(line, "click", "2"), "click is '2', expected 0 or 1", DAYS[0]),
    ("an empty click", lambda line: swap(line, "click", ""), "click is '', expected 0 or 1", DAYS[0]),
    ("an empty id", lambda line: swap(line, "id", ""), "id is empty", DAYS[0]),
    ("an empty category", lambda line: swap(line, "C20", ""), "C20 is empty", DAYS[0]),
]


def swap(line, column, value):
    cells = line.split(",")
    cells[COLUMNS.index(column)] = value
    return ",".join(cells)


@pytest.mark.parametrize(("what", "spoil", "reason", "partition"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_row_with_something_wrong_is_quarantined(spark, store, landing, what, spoil, reason, partition):
    header, *lines = to_csv(impressions(DAYS[0], 20)).decode().splitlines()
    spoiled = spoil(lines[7])
    landing.mkdir()
    (landing / "train.csv").write_text("\n".join([header, *lines[:7], spoiled, *lines[8:]]) + "\n")
    committed = run(spark, store, landing, share=0.5)
    assert committed.days[DAYS[0]].raw.rows == 19
    (row,) = rows_of(store, partition, QUARANTINE)
    assert row["reason"] == reason
    assert row["row_text"] == spoiled
    assert row["file"].endswith("/landing/train.csv")


def test_a_row_of_another_day_in_a_day_folder_is_quarantined(spark, store, landing):
    rows = impressions(DAYS[0], 30)
    rows[4]["hour"] = "14102200"
    deliver(landing, f"day={DAYS[0]}/x.csv", rows)
    committed = run(spark, store, landing, share=0.5)
    assert (committed.days[DAYS[0]].raw.rows, committed.days[DAYS[1]].raw.rows) == (29, 0)
    assert [r["reason"] for r in rows_of(store, DAYS[0], QUARANTINE)] == ["hour is not of 2014-10-21, the folder's day"]
    assert committed.undated is None


def test_too_many_rejected_rows_are_an_error_and_the_previous_version_stays(spark, store, landing):
    delivered = deliver_feed(landing, DAYS[:1], 100)
    run(spark, store, landing)
    for row in delivered[DAYS[0]][:3]:
        row["click"] = "x"
    deliver(landing, f"day={DAYS[0]}/impressions.csv", delivered[DAYS[0]])
    with pytest.raises(LandingError, match=r"3 of 100 rows .* \(2014-10-21: 3\), more than the max_quarantined_share"):
        run(spark, store, landing)
    assert store.manifest(RAW_IMPRESSIONS, DAYS[0]).rows == 100
    run(spark, store, landing, share=0.03)
    assert store.manifest(RAW_IMPRESSIONS, DAYS[0]).rows == 97


@pytest.mark.parametrize("bucket_ids", [deduplicate_module.BUCKET_IDS, 40])
def test_a_repeated_id_is_kept_once_the_feed_before_the_archive(spark, store, landing, monkeypatch, bucket_ids):
    monkeypatch.setattr(deduplicate_module, "BUCKET_IDS", bucket_ids)
    feed, archive = impressions(DAYS[0], 200), impressions(DAYS[0], 100, seed=1)
    again = [{**row, "C14": "from_archive"} for row in feed[50:80]]
    deliver(landing, "train.csv", archive + again)
    deliver(landing, f"day={DAYS[0]}/a.csv", [*feed, {**feed[3], "C14": "later_line"}])
    committed = run(spark, store, landing)
    assert sum(account.duplicates[DAYS[0]] for account in committed.days[DAYS[0]].accounts) == 31
    assert by_id(rows_of(store, DAYS[0])) == by_id(expected(feed + archive))


def test_ids_of_one_hash_are_no_repeats(spark, store, landing):
    rows = impressions(DAYS[0], 2)
    # Trailing NUL bytes do not count in a hash.
    deliver(landing, "a.csv", [rows[0], {**rows[0], "id": f"{rows[0]['id']}\0"}, rows[1]])
    assert run(spark, store, landing).days[DAYS[0]].raw.rows == 3


@pytest.mark.parametrize("bucket_ids", [deduplicate_module.BUCKET_IDS, 20])
def test_a_file_whose_rows_all_came_before_leaves_no_file(spark, store, landing, monkeypatch, bucket_ids):
    monkeypatch.setattr(deduplicate_module, "BUCKET_IDS", bucket_ids)
    rows = impressions(DAYS[0], 50)
    deliver(landing, "a.csv", rows)
    deliver(landing, "b.csv", rows)
    committed = run(spark, store, landing)
    assert len(committed.days[DAYS[0]].raw.files) == 1
    assert rows_of(store, DAYS[0]) == expected(rows)


def test_the_same_delivery_gives_the_same_bytes(spark, store, landing):
    deliver_feed(landing, DAYS)
    first = run(spark, store, landing)
    second = run(spark, store, landing)
    alone = run(spark, store, landing, days=DAYS[1:])
    assert first.days[DAYS[1]].raw.content_fingerprint == second.days[DAYS[1]].raw.content_fingerprint
    assert first.days[DAYS[1]].raw.content_fingerprint == alone.days[DAYS[1]].raw.content_fingerprint


def test_a_truncated_gzip_is_named_and_the_previous_version_stays(spark, store, landing):
    deliver(landing, "train.gz", impressions(DAYS[0], 3000))
    run(spark, store, landing)
    previous = store.manifest(RAW_IMPRESSIONS, DAYS[0])
    data = (landing / "train.gz").read_bytes()
    (landing / "train.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(LandingError, match=r"train\.gz: damaged or truncated .* deliver it again"):
        run(spark, store, landing)
    assert store.manifest(RAW_IMPRESSIONS, DAYS[0]) == previous
    assert Counter(row["id"] for row in rows_of(store, DAYS[0])).most_common(1)[0][1] == 1


def test_a_gzip_whose_checksum_is_wrong_is_named(spark, store, landing):
    path = deliver(landing, "train.gz", impressions(DAYS[0], 50))
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(LandingError, match=r"train\.gz: damaged or truncated \(CRC check failed"):
        run(spark, store, landing)


def test_a_day_without_rows_becomes_an_empty_table(spark, store, landing):
    deliver(landing, "train.gz", impressions(DAYS[0], 5))
    committed = run(spark, store, landing)
    assert committed.days[DAYS[1]].raw.rows == 0
    assert rows_of(store, DAYS[1]) == []


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("14102100", datetime(2014, 10, 21, 0, tzinfo=UTC)),
        ("14102123", datetime(2014, 10, 21, 23, tzinfo=UTC)),
        ("14102124", None),
        ("14023000", None),
        ("1410210", None),
        ("١٤١٠٢١٠٠", None),
        ("", None),
    ],
)
def test_hours_are_parsed_strictly(text, hour):
    assert parse_hour(text) == hour


def test_a_compressed_archive_is_read_by_zip_and_gz_alike(spark, store, landing):
    import zipfile

    rows = impressions(DAYS[0], 40)
    landing.mkdir()
    with zipfile.ZipFile(landing / "train.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", to_csv(rows))
    run(spark, store, landing)
    zipped = store.manifest(RAW_IMPRESSIONS, DAYS[0]).content_fingerprint
    (landing / "train.zip").unlink()
    (landing / "train.gz").write_bytes(gzip.compress(to_csv(rows)))
    run(spark, store, landing)
    assert store.manifest(RAW_IMPRESSIONS, DAYS[0]).content_fingerprint == zipped
    assert pa.types.is_timestamp(RAW_SCHEMA.field("hour").type)
