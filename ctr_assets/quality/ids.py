"""Whether ids and splits are what they must be: append-only ids, no row that is both learnt from and tested on."""

from contextlib import closing

import numpy as np
import pyarrow as pa

from ctr_assets.days import shift
from ctr_assets.features import FEATURES, ID_COLUMN
from ctr_assets.quality.finding import Finding
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import Store
from ctr_assets.storage.rows import RawRows
from ctr_assets.storage.vocabulary import open_vocabulary
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY


def append_only(store: Store, day: str) -> Finding:
    """Every id of the vocabulary of the day before means the same value today: its rows are a prefix of today's."""
    before = store.find(FEATURE_VOCABULARY, shift(day, -1))
    today = store.manifest(FEATURE_VOCABULARY, day)
    if before is None:
        return Finding(True, "the first day: no earlier id to keep")
    changed = []
    with open_vocabulary(store, before) as old, open_vocabulary(store, today) as new:
        for position, feature in enumerate(FEATURES):
            earlier, now = (file.read_row_group(position, columns=["value"])["value"] for file in (old, new))
            if not now.slice(0, len(earlier)).equals(earlier):
                changed.append(feature.name)
    if not changed:
        kept = sum(before.properties["sizes"].values())
        return Finding(True, f"all {kept:,} ids of {before.partition} mean the same values", {"kept_ids": kept})
    message = f"ids of {', '.join(changed)} are not those of {before.partition}; expected every earlier id to stay"
    return Finding(False, f"{message}. Materialize {FEATURE_VOCABULARY} from {day} on again")


def no_leakage(store: Store, day: str, sample_rows: int) -> Finding:
    """No test row is a training row: the stored split of each row is the one that its ``id`` gives, read back afresh.

    Up to ``sample_rows`` rows, spread over the files; the split depends on the id alone, so that no id can be trained
    on and tested on, on whatever days it occurs.
    """
    encoded = store.manifest(ENCODED_FEATURES, day)
    checked = wrong = 0
    step = max(1, round(encoded.rows / sample_rows))
    with closing(RawRows(store, encoded, [ID_COLUMN])) as raw:
        for index, file in enumerate(encoded.files):
            with store.parquet(encoded, file) as parquet:
                table = parquet.read(columns=["row", "label", "split"])
            rows = table.take(pa.array(np.arange(0, table.num_rows, step))).sort_by("row")
            labelled = rows["label"].is_valid().to_numpy()
            found = raw.take(index, rows["row"].to_numpy())[ID_COLUMN].combine_chunks()
            wrong += int((split_codes(stable_hash(found), labelled) != rows["split"].to_numpy()).sum())
            checked += rows.num_rows
    message = f"{wrong:,} of {checked:,} rows are in another split than their id gives; expected none"
    return Finding(wrong == 0, message, {"checked_rows": checked, "misplaced_rows": wrong})
