"""Small committed days of raw, vocabulary and encoded tables, in the form the ETL writes them, without Spark."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from ctr_assets.features import FEATURES, NO_APP, NO_SITE, UNKNOWN_ID, Split
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import ParquetPart, Store, write_parquet
from ctr_assets.storage.vocabulary import link_fingerprint, write_vocabulary
from ctr_assets.tables import (
    ENCODED_FEATURES,
    ENCODED_ROW_GROUP_ROWS,
    ENCODED_SCHEMA,
    FEATURE_VOCABULARY,
    RAW_IMPRESSIONS,
    columns_of,
)

SIZES = {f.name: 5 if f.wide and not f.is_cross else 30 if f.is_cross else 200 for f in FEATURES}
VALUES = {name: pa.array([f"{name} {i}" for i in range(1, size + 1)]) for name, size in SIZES.items()}
"""Value of each id from 1. The most frequent site and app are the placeholders, as in the genuine log."""
VALUES["site_id"] = pa.array([NO_SITE, *VALUES["site_id"].to_pylist()[1:]])
VALUES["app_id"] = pa.array([NO_APP, *VALUES["app_id"].to_pylist()[1:]])


def write_days(store: Store, days: list[str], rows_per_day: int = 3000, files_per_day: int = 2, seed: int = 0) -> None:
    """Commit ``days`` of all three tables. Labels depend on C1 × banner_pos (no single feature tells) and on C14."""
    chain: dict[str, str] = {}
    nothing = dict.fromkeys(SIZES, pa.array([], pa.string()))
    for day in days:
        chain[day] = link_fingerprint(chain.get(max(chain, default=""), ""), nothing if chain else VALUES)
        vocabulary = store.begin(FEATURE_VOCABULARY, day)
        files = [write_vocabulary(vocabulary, VALUES, {})]
        vocabulary.commit(files, {}, properties={"sizes": SIZES, "chain": chain})
        rng = np.random.default_rng([seed, int(day.replace("-", ""))])
        raw, encoded = store.begin(RAW_IMPRESSIONS, day), store.begin(ENCODED_FEATURES, day)
        raw_files, encoded_files, counts, clicks = [], [], np.zeros(len(Split), dtype=int), 0
        unknown = dict.fromkeys(SIZES, 0)
        for k in range(files_per_day):
            n = rows_per_day // files_per_day
            ids = pa.array([str(v) for v in rng.integers(10**18, 9 * 10**18, n)])
            raw_files.append(write_parquet(store, raw.folder, f"part-{k:05d}.parquet", pa.table({"id": ids})))
            columns = {name: rng.zipf(1.5, n) % (size + 1) for name, size in SIZES.items()}
            logit = -1.6 + 2.5 * ((columns["C1"] % 2) ^ (columns["banner_pos"] % 2)) + 1.5 * (columns["C14"] % 3 == 1)
            label = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
            clicks += int(label.sum())
            unknown = {name: unknown[name] + int((columns[name] == UNKNOWN_ID).sum()) for name in SIZES}
            split = split_codes(stable_hash(ids), np.ones(n, dtype=bool))
            counts += np.bincount(split, minlength=len(Split))
            order = np.argsort(split, kind="stable")
            arrays = {"row": np.arange(n), "label": label, "split": split, **columns}
            table = pa.table({f.name: pa.array(arrays[f.name][order], f.type) for f in ENCODED_SCHEMA}, ENCODED_SCHEMA)
            part = ParquetPart(store, encoded.folder, f"part-{k:05d}.parquet", ENCODED_SCHEMA)
            for code in np.unique(split):
                part.write(table.filter(pa.array(split[order] == code)), ENCODED_ROW_GROUP_ROWS)
            encoded_files.append(part.close())
        raw_manifest = raw.commit(raw_files, {"id": "string"})
        encoded.commit(
            encoded_files,
            columns_of(ENCODED_SCHEMA),
            inputs=[raw_manifest, store.manifest(FEATURE_VOCABULARY, day)],
            properties={
                "vocabulary_fingerprint": chain[day],
                "splits": dict(zip([s.value for s in Split], counts.tolist(), strict=True)),
                "clicks": clicks,
                "unknown_rows": unknown,
            },
        )


def reencode(store: Store, day: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Commit the day again with every row group changed."""
    old = store.manifest(ENCODED_FEATURES, day)
    version, files = store.begin(ENCODED_FEATURES, day), []
    for file in old.files:
        part = ParquetPart(store, version.folder, file.name, ENCODED_SCHEMA)
        with store.parquet(old, file) as parquet:
            for group in range(parquet.num_row_groups):
                part.write(change(parquet.read_row_group(group)).cast(ENCODED_SCHEMA))
        files.append(part.close())
    inputs = [store.manifest(RAW_IMPRESSIONS, day), store.manifest(FEATURE_VOCABULARY, day)]
    version.commit(files, old.columns, inputs=inputs, properties=old.properties)


def with_column(table: pa.Table, name: str, value: int | None) -> pa.Table:
    values = pa.array([value] * table.num_rows, pa.int8())
    return table.set_column(table.schema.get_field_index(name), name, values)
