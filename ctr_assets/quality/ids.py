"""Whether ids and splits are what they must be: append-only ids, no row that is both learnt from and tested on."""

from contextlib import closing

import numpy as np
import pyarrow as pa

from ctr_assets.days import shift
from ctr_assets.features import FEATURES, ID_COLUMN
from ctr_assets.quality.finding import Finding
from ctr_assets.split import split_codes, stable_hash
from ctr_assets.storage import Store
from ctr_assets.storage.entries import Entries, features_of, look_up
from ctr_assets.storage.rows import RawRows
from ctr_assets.storage.vocabulary import link_fingerprint, read_named
from ctr_assets.tables import ENCODED_FEATURES, FEATURE_VOCABULARY


def append_only(store: Store, day: str) -> Finding:
    """Every id of the vocabulary of the day before means the same value today.

    The fingerprints of the two days are linked by the values that are new today: that holds for all ids, however many
    there are. Beside it the ids are compared of the values that both days name, each from its own look-up.
    """
    before = store.find(FEATURE_VOCABULARY, shift(day, -1))
    today = store.manifest(FEATURE_VOCABULARY, day)
    if before is None:
        return Finding(True, "the first day: no earlier id to keep")
    old, now = read_named(store, before), read_named(store, today)
    sizes = before.properties["sizes"]
    new = {f.name: _new_ids(now.of_feature(position), sizes[f.name]) for position, f in enumerate(FEATURES)}
    found = look_up([now], old.keys, old.values)
    is_moved = (found != 0) & (found != old.states)
    changed = {FEATURES[position].name for position in features_of(old.keys)[is_moved]}
    changed |= {n for n, of in new.items() if not np.array_equal(of.states - sizes[n], np.arange(1, len(of) + 1))}
    if changed:
        named = ", ".join(f.name for f in FEATURES if f.name in changed)
        return _broken(day, f"ids of {named} are not those of {before.partition}; expected every earlier id to stay")
    link = link_fingerprint(before.properties["chain"][before.partition], {name: of.values for name, of in new.items()})
    if link != today.properties["chain"][day]:
        return _broken(day, f"its fingerprint does not continue that of {before.partition}; expected every id to stay")
    kept, compared = sum(sizes.values()), int(np.count_nonzero(found))
    message = f"all {kept:,} ids of {before.partition} mean the same values; {compared:,} were looked up on both days"
    return Finding(True, message, {"kept_ids": kept, "compared_ids": compared})


def _new_ids(entries: Entries, size: int) -> Entries:
    """The entries whose ids are above the size of the day before, in the order of their ids."""
    new = entries.where(entries.states > size)
    return new.take(np.argsort(new.states))


def _broken(day: str, what: str) -> Finding:
    return Finding(False, f"{what}. Materialize {FEATURE_VOCABULARY} from {day} on again")


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
