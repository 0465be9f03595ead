import numpy as np
import pyarrow as pa
import pytest

from ctr_assets.features import Split
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import ParquetPart, Store, TableVersion
from ctr_assets.storage.rows import RawRows, iter_split, split_row_groups
from ctr_assets.tables import ENCODED_FEATURES, RAW_IMPRESSIONS
from ctr_assets_tests.encoded_days import write_days

DAY = "2014-10-21"


@pytest.fixture
def encoded_store(tmp_path) -> Store:
    store = Store(str(tmp_path))
    write_days(store, [DAY], rows_per_day=1000)
    return store


def _rewrite_raw_in_small_row_groups(store: Store) -> None:
    """Put the same raw files, in row groups of 37 rows, under the same version."""
    raw, files = store.manifest(RAW_IMPRESSIONS, DAY), []
    folder = store.path(raw.table, DAY, raw.version)
    for file in raw.files:
        with store.parquet(raw, file) as parquet:
            table = parquet.read()
        part = ParquetPart(store, folder, file.name, table.schema)
        part.write(table, 37)
        files.append(part.close())
    TableVersion(store, raw.table, DAY, raw.version, None).commit(files, raw.columns)


def test_the_splits_share_out_every_row_once(encoded_store: Store):
    encoded = encoded_store.manifest(ENCODED_FEATURES, DAY)
    seen = [
        (file_index, row)
        for split in Split
        for file_index, table in iter_split(encoded_store, encoded, [split], ["row", "split"])
        for row in table.column("row").to_pylist()
        if set(table.column("split").to_pylist()) == {split.code}
    ]
    assert len(seen) == len(set(seen)) == encoded.rows


def test_a_row_group_of_several_splits_is_refused(encoded_store: Store, tmp_path):
    part = ParquetPart(encoded_store, str(tmp_path), "mixed.parquet", pa.schema([("split", pa.int8())]))
    part.write(pa.table({"split": pa.array([0, 2], pa.int8())}))
    part.close()
    metadata = pa.parquet.read_metadata(tmp_path / "mixed.parquet")
    with pytest.raises(ValueError, match=r"row group 0 of mixed\.parquet does not hold rows of exactly one split"):
        split_row_groups(metadata, [Split.TEST], "mixed.parquet")


@pytest.mark.parametrize("small_row_groups", [False, True])
def test_ids_are_those_of_the_rows(encoded_store: Store, small_row_groups: bool):
    if small_row_groups:
        _rewrite_raw_in_small_row_groups(encoded_store)
    encoded = encoded_store.manifest(ENCODED_FEATURES, DAY)
    ids = RawRows(encoded_store, encoded, ["id"])
    raw = [encoded_store.parquet(ids.raw, file).read().column("id").to_pylist() for file in ids.raw.files]
    for split in (Split.TRAIN, Split.TEST):
        for file_index, table in iter_split(encoded_store, encoded, [split], ["row"]):
            rows = table.column("row").to_numpy()
            taken = ids.take(file_index, rows)["id"]
            assert taken.to_pylist() == [raw[file_index][row] for row in rows]
            # The split is a function of the id, so a wrong id would soon be of a wrong split.
            codes = split_codes(stable_hash(taken.combine_chunks()), np.ones(len(rows), dtype=bool))
            assert set(codes) == {split.code}
    ids.close()


def test_ids_of_a_raw_day_that_was_replaced_are_refused(encoded_store: Store):
    raw = encoded_store.manifest(RAW_IMPRESSIONS, DAY)
    encoded_store.begin(RAW_IMPRESSIONS, DAY).commit(raw.files, raw.columns)
    with pytest.raises(ValueError, match=f"materialize encoded_features for {DAY} again"):
        RawRows(encoded_store, encoded_store.manifest(ENCODED_FEATURES, DAY), ["id"])
