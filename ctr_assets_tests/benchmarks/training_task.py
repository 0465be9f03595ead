"""The training task: encoded rows with planted effects, as our tables and as arrays for the other libraries."""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctr_assets.features import FEATURE_SELECTIONS, FEATURES, Split
from ctr_assets.storage import DataFile, ParquetPart, Store, fingerprint
from ctr_assets.storage.vocabulary import write_vocabulary
from ctr_assets.tables import (
    ENCODED_FEATURES,
    ENCODED_ROW_GROUP_ROWS,
    ENCODED_SCHEMA,
    FEATURE_VOCABULARY,
    RAW_IMPRESSIONS,
    columns_of,
)

DAY = "2014-10-21"
FILE_ROWS = 500_000
# Distinct values of the published log (demo/published.json), but for the two that the task states.
SIZES = {
    **{f.name: 24 for f in FEATURES if f.wide and not f.is_cross},
    **{f.name: 150 for f in FEATURES if f.is_cross},
    **{"site_id": 4_737, "site_domain": 7_745, "app_id": 8_552, "app_domain": 559, "device_model": 8_251},
    **{"C14": 2_626, "C17": 435, "C20": 172, "device_id": 500_000, "device_ip": 1_000_000},
}


def column(rng: np.random.Generator, size: int, rows: int) -> npt.NDArray[np.int32]:
    """Ids 1..size with frequencies that fall like 1/id, as those of a click log do; one in a hundred is unknown."""
    ids = np.floor(np.exp(rng.random(rows) * np.log(size + 1))).astype(np.int32)
    ids[rng.random(rows) < 0.01] = 0
    return ids


def make_rows(seed: int, rows: int) -> tuple[dict[str, npt.NDArray[np.int32]], npt.NDArray]:
    """Columns of ids and labels (int8) drawn from a logistic model with an effect for every id."""
    rng = np.random.default_rng(seed)
    columns = {f.name: column(rng, SIZES[f.name], rows) for f in FEATURES}
    logit = np.full(rows, -1.9)
    for position, feature in enumerate(FEATURES):
        effects = np.random.default_rng(position).standard_normal(SIZES[feature.name] + 1)
        logit += 0.25 * effects[columns[feature.name]]
    return columns, (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int8)


def write_store(folder: Path, rows: dict[Split, int]) -> None:
    """One encoded day of so many rows of each split, in files of ``FILE_ROWS``; vocabularies hold no values."""
    store = Store(str(folder))
    chain = {DAY: fingerprint(SIZES)}
    vocabulary = store.begin(FEATURE_VOCABULARY, DAY)
    empty = {f.name: pa.array([], pa.string()) for f in FEATURES}
    vocabulary.commit([write_vocabulary(vocabulary, empty, {})], {}, properties={"sizes": SIZES, "chain": chain})
    raw = store.begin(RAW_IMPRESSIONS, DAY).commit([], {})
    version = store.begin(ENCODED_FEATURES, DAY)
    files: list[DataFile] = []
    for split, of_split in rows.items():
        for start in range(0, of_split, FILE_ROWS):
            count = min(FILE_ROWS, of_split - start)
            columns, labels = make_rows(seed_of(split, start), count)
            arrays = {"row": np.arange(count), "label": labels, "split": np.full(count, split.code), **columns}
            table = pa.table({f.name: pa.array(arrays[f.name], f.type) for f in ENCODED_SCHEMA}, ENCODED_SCHEMA)
            part = ParquetPart(store, version.folder, f"part-{len(files):05d}.parquet", ENCODED_SCHEMA)
            part.write(table, ENCODED_ROW_GROUP_ROWS)
            files.append(part.close())
    version.commit(
        files,
        columns_of(ENCODED_SCHEMA),
        inputs=[raw, store.manifest(FEATURE_VOCABULARY, DAY)],
        properties={
            "vocabulary_fingerprint": chain[DAY],
            "splits": {split.value: rows.get(split, 0) for split in Split},
            "clicks": 0,
            "unknown_rows": dict.fromkeys(SIZES, 0),
        },
    )


def seed_of(split: Split, start: int) -> int:
    return (split.code + 1) * 1_000_000_007 + start


def write_arrays(folder: Path, rows: dict[Split, int]) -> None:
    """The same rows for the other libraries: ``train.npz``, ``test.npz`` and ``task.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in (Split.TRAIN, Split.TEST):
        parts = [
            make_rows(seed_of(split, start), min(FILE_ROWS, rows[split] - start))
            for start in range(0, rows[split], FILE_ROWS)
        ]
        ids = np.concatenate([np.stack([columns[f.name] for f in FEATURES], 1) for columns, _ in parts])
        np.savez(folder / f"{split.value}.npz", ids=ids, label=np.concatenate([labels for _, labels in parts]))
    selection = FEATURE_SELECTIONS["default"]
    task = {
        "features": [f.name for f in FEATURES],
        "sizes": [SIZES[f.name] for f in FEATURES],
        "wide": list(selection.wide),
        "deep": list(selection.deep),
        "dimension": 16,
        "hidden": [400, 400, 400],
        "learning_rate": 1e-3,
    }
    (folder / "task.json").write_text(json.dumps(task))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train-rows", type=int, required=True)
    options = parser.parse_args()
    test_rows = max(50_000, options.train_rows // 10)
    rows = {Split.TRAIN: options.train_rows, Split.VALIDATION: 10_000, Split.TEST: test_rows}
    write_store(options.folder / "store", rows)
    write_arrays(options.folder, rows)


if __name__ == "__main__":
    main()
