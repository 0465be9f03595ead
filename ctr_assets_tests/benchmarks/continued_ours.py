"""Models that go on from the day before, beside models of whole windows: ``python -m … STORE continued|window``.

One model for each of the last days but one, scored on all labelled rows of the day that follows it. CPU seconds are of
this process, reading and validation included. Bytes read are those of the column chunks, and of the model gone on from.
"""

import argparse
import json
import time
from pathlib import Path

from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.days import shift
from ctr_assets.evaluation.scored import RowsOf, score_rows
from ctr_assets.features import FEATURE_SELECTIONS, Split
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import ENCODED_FEATURES
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.layout import build_layout
from ctr_assets.training.publish import CARD_NAME
from ctr_assets.training.rowgroups import find_row_groups
from ctr_assets.training.score import Scorer
from ctr_assets.training.train import TrainedModel, train
from ctr_assets.training.window import resolve_window
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.training_task import DAY

FIRST_WINDOW = 4
"""Days of the first model's window."""


def bytes_read(store: Store, trained: TrainedModel, days: list[str], before: Manifest | None) -> int:
    """Of the training and validation rows, once an epoch."""
    window = resolve_window(store, days[-1], days)
    columns = {*build_layout(FEATURE_SELECTIONS["default"], window.vocabulary_sizes).features, "label"}
    of_rows = 0
    for group in find_row_groups(store, window.encoded, Split.TRAIN) + find_row_groups(
        store, window.encoded, Split.VALIDATION
    ):
        chunks = group.footer.row_group(group.index)
        of_rows += sum(
            chunk.total_compressed_size
            for chunk in map(chunks.column, range(chunks.num_columns))
            if chunk.path_in_schema in columns
        )
    of_model = 0 if before is None else sum(file.bytes for file in before.files if file.name != CARD_NAME)
    return of_rows * len(trained.curve) + of_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("what", choices=["continued", "window"])
    parser.add_argument("--config", type=json.loads, default={}, help="of the training, as JSON")
    options = parser.parse_args()
    store = Store(str(options.store))
    days = [day for day in (shift(DAY, n) for n in range(31)) if store.find(ENCODED_FEATURES, day)]
    starts = {"continued": "auto", "window": "scratch"}
    config = TrainingConfig(**{"device": "cpu", **options.config, "start": starts[options.what]})
    found, total, before = {}, 0.0, None
    for last in range(FIRST_WINDOW, len(days)):
        window, next_day = days[:last], days[last]
        began = time.process_time()
        trained = train(store, window[-1], window, config, log=lambda line: None)
        cpu = time.process_time() - began
        labels, scores = score_rows(
            store, [store.manifest(ENCODED_FEATURES, next_day)], RowsOf.ALL, Scorer.load(store, trained.manifest)
        )
        # The first has no day before it, so both begin alike: what is compared are those after it.
        if before is not None:
            total += cpu
            continued = trained.manifest.properties["start"]["kind"] == "continued"
            read = bytes_read(store, trained, window[-1:] if continued else window, before if continued else None)
            found[window[-1]] = {
                "logloss": log_loss(labels, scores),
                "auc": roc_auc_score(labels, scores),
                "cpu_seconds": cpu,
                "bytes_read": read,
                "rows": trained.train_rows,
                "kind": trained.manifest.properties["start"]["kind"],
            }
        before = trained.manifest
    tell(seconds=total, days=found, rows=sum(day["rows"] for day in found.values()))


if __name__ == "__main__":
    main()
