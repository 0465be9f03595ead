"""Our training, loading and scoring on the encoded days of a store: ``python -m … STORE train|load|score|predict``."""

import argparse
import json
import os
import resource
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import torch
from sklearn.metrics import log_loss, roc_auc_score

from ctr_assets.days import shift
from ctr_assets.evaluation.scored import SCORING_COLUMNS, RowsOf, score_rows
from ctr_assets.features import FEATURE_SELECTIONS, Split
from ctr_assets.serving.predictions import FromEncoded, write_predictions
from ctr_assets.storage import ParquetPart, Store
from ctr_assets.storage.rows import iter_split, raw_of
from ctr_assets.tables import CLICK_PREDICTIONS, ENCODED_FEATURES, WIDE_DEEP_MODEL
from ctr_assets.training.card import model_of_card
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.layout import build_layout
from ctr_assets.training.loader import Loader
from ctr_assets.training.precision import choose_precision
from ctr_assets.training.publish import read_card
from ctr_assets.training.rowgroups import find_row_groups
from ctr_assets.training.score import Scorer
from ctr_assets.training.train import train
from ctr_assets.training.window import resolve_window
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.products import floating_point_operations, product_rows_per_second
from ctr_assets_tests.benchmarks.training_task import DAY

SCHEMA = pa.schema([("label", pa.int8()), ("wide_deep", pa.float32())])


def run_training(store: Store, days: list[str], config: TrainingConfig) -> None:
    """One epoch, from Parquet; seconds are of the epoch. Then logloss and AUC of the test rows."""
    model = train(store, days[-1], days, config, log=lambda line: None)
    if int(os.environ.get("RANK", "0")):
        return
    encoded = [store.manifest(ENCODED_FEATURES, day) for day in days]
    labels, scores = score_rows(store, encoded, RowsOf.TEST, Scorer.load(store, model.manifest))
    card = read_card(store, model.manifest)
    widths = [model_of_card(card).layout.deep_width, *config.hidden, 1]
    precision = choose_precision(config.precision, torch.device("cpu"))
    product = product_rows_per_second(widths, card["batch_rows"], precision)
    tell(
        rows=model.train_rows,
        seconds=model.train_rows / model.rows_per_second,
        rows_per_second=model.rows_per_second,
        of_product=model.rows_per_second / product,
        product_gigaflops=product * floating_point_operations(widths) / 1e9,
        test_logloss=log_loss(labels, scores),
        test_auc=roc_auc_score(labels, scores),
        peak_bytes=peak_bytes(),
    )


def run_loading(store: Store, days: list[str], config: TrainingConfig) -> None:
    """Parquet to shuffled tensors, train and validation rows; nothing is computed."""
    window = resolve_window(store, days[-1], days)
    columns = [*build_layout(FEATURE_SELECTIONS[config.preset], window.vocabulary_sizes).features, "label"]
    groups = [find_row_groups(store, window.encoded, split) for split in (Split.TRAIN, Split.VALIDATION)]
    batch_rows = config.rows_of_a_step(sum(group.rows for group in groups[0]), world_size=1)
    buffer_rows = config.shuffle_buffer_rows
    loaders = [
        Loader(store, of_split, columns, batch_rows=batch_rows, buffer_rows=buffer_rows, shuffle=True)
        for of_split in groups
    ]
    began, rows = time.perf_counter(), 0
    for loader in loaders:
        with closing(loader.epoch()) as batches:
            rows += sum(len(torch.from_numpy(batch)) for batch in batches)
    seconds = time.perf_counter() - began
    tell(rows=rows, seconds=seconds, rows_per_second=rows / seconds, peak_bytes=peak_bytes())


def run_scoring(store: Store, days: list[str], out: Path) -> None:
    """Encoded Parquet to labels and predictions on disk, by the model that a training left."""
    began = time.perf_counter()
    scorer = Scorer.load(store, store.manifest(WIDE_DEEP_MODEL, days[-1]))
    part = ParquetPart(store, str(out), "scored.parquet", SCHEMA)
    for day in days:
        for _, rows in iter_split(store, store.manifest(ENCODED_FEATURES, day), [Split.TRAIN], SCORING_COLUMNS):
            part.write(pa.table([rows["label"], scorer.predict(rows)], schema=SCHEMA))
    rows = part.close().rows
    seconds = time.perf_counter() - began
    tell(rows=rows, seconds=seconds, rows_per_second=rows / seconds, peak_bytes=peak_bytes())


def run_predictions(store: Store, days: list[str]) -> None:
    """The same model on every row, to the table ``click_predictions``: ids are read and written too."""
    began, rows = time.perf_counter(), 0
    scorer = Scorer.load(store, store.manifest(WIDE_DEEP_MODEL, days[-1]))
    for day in days:
        encoded, version = store.manifest(ENCODED_FEATURES, day), store.begin(CLICK_PREDICTIONS, day)
        raw, predict = raw_of(store, encoded), FromEncoded(store, encoded, scorer)
        files, _ = write_predictions(store, version, raw, predict, submission=False)
        rows += sum(file.rows for file in files)
    seconds = time.perf_counter() - began
    tell(rows=rows, seconds=seconds, rows_per_second=rows / seconds, peak_bytes=peak_bytes())


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("what", choices=["train", "load", "score", "predict"])
    parser.add_argument("--config", type=json.loads, default={}, help="of the training, as JSON")
    options = parser.parse_args()
    store, config = Store(str(options.store)), TrainingConfig(**{"epochs": 1, **options.config})
    days = [day for day in (shift(DAY, n) for n in range(10)) if store.find(ENCODED_FEATURES, day)]
    if options.what == "train":
        run_training(store, days, config)
    elif options.what == "load":
        run_loading(store, days, config)
    elif options.what == "predict":
        run_predictions(store, days)
    else:
        run_scoring(store, days, options.store)


if __name__ == "__main__":
    main()
