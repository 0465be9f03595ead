"""The table ``click_predictions``: a champion's probability for every raw row of a day, in the order of the raw table.

File k of a day is of the rows of file k of its ``raw_impressions``. In memory are the probabilities of one raw file (at
most a million), and a few row groups.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Final, Protocol, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from ctr_assets.features import FEATURES, ID_COLUMN, LABEL_COLUMN
from ctr_assets.serving.equality import Predicts, as_columns, delivered
from ctr_assets.serving.session import PROBABILITY, ServedModel
from ctr_assets.storage import DataFile, Manifest, ParquetPart, Store, TableVersion
from ctr_assets.storage.parts import HashingSink, describe, open_sink
from ctr_assets.storage.prefetch import map_ahead, prefetched
from ctr_assets.tables import PREDICTIONS_SCHEMA

SUBMISSION_NAME: Final = "submission.csv.gz"
_BATCH_ROWS: Final = 65_536

Probabilities = npt.NDArray[np.float32]


class RowsPredictor(Protocol):
    """Probabilities of the rows of raw file ``index`` of a day, in its order, shape ``(n,)``."""

    def __call__(self, index: int) -> Probabilities: ...


class FromEncoded:
    """The fast way: the rows as they are encoded already. For days whose ids are the model's, or continue them."""

    def __init__(self, store: Store, encoded: Manifest, model: Predicts) -> None:
        self._store, self._encoded, self._model = store, encoded, model

    def __call__(self, index: int) -> Probabilities:
        file = self._encoded.files[index]
        found = np.full(file.rows, np.nan, dtype=np.float32)
        for rows in prefetched(self._read(file), 2):
            found[rows["row"].to_numpy()] = self._model.predict(rows)
        return found

    def _read(self, file: DataFile) -> Iterator[pa.Table]:
        columns = ["row", *(feature.name for feature in FEATURES)]
        with self._store.parquet(self._encoded, file) as parquet:
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group, columns=columns, use_threads=self._store.is_local)


class FromRaw:
    """The way for any other day: the raw strings, which the exported model looks up itself."""

    def __init__(self, store: Store, raw: Manifest, model: ServedModel) -> None:
        self._store, self._raw, self._model = store, raw, model

    def __call__(self, index: int) -> Probabilities:
        found = [np.zeros(0, dtype=np.float32)]
        with self._store.parquet(self._raw, self._raw.files[index]) as parquet:
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(self._model.columns)):
                found.append(self._model.predict(as_columns(delivered(pa.Table.from_batches([batch])))))
        return np.concatenate(found)


def write_predictions(
    store: Store, version: TableVersion, raw: Manifest, predict: RowsPredictor, *, submission: bool
) -> tuple[list[DataFile], int]:
    """Write the files of a day; returns them, and how many probabilities are NaN.

    ``submission``: also ``submission.csv.gz``, what Kaggle takes: ``id,click``, a probability for each row.
    """
    files, undefined = [], 0
    as_submission = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    # The model is busy with one file while another is written: both leave the interpreter alone.
    scored = map_ahead(predict, range(len(raw.files)), 1)
    with _submission(store, version.folder) if submission else nullcontext((None, None)) as (sink, text):
        for index, probabilities in enumerate(scored):
            undefined += int(np.isnan(probabilities).sum())
            part = ParquetPart(
                store,
                version.folder,
                f"part-{index:05d}.parquet",
                PREDICTIONS_SCHEMA,
                use_dictionary=False,
                column_encoding={PROBABILITY: "BYTE_STREAM_SPLIT"},
            )
            for rows in _with_ids(store, raw, raw.files[index], probabilities):
                part.write(rows)
                if text is not None:
                    pyarrow.csv.write_csv(rows, text, as_submission)
            files.append(part.close())
    return files + ([describe(SUBMISSION_NAME, sink)] if sink is not None else []), undefined


def _with_ids(store: Store, raw: Manifest, file: DataFile, probabilities: Probabilities) -> Iterator[pa.Table]:
    passed = 0
    with store.parquet(raw, file) as parquet:
        for batch in parquet.iter_batches(4 * _BATCH_ROWS, columns=[ID_COLUMN]):
            of_batch = pa.array(probabilities[passed : passed + batch.num_rows])
            passed += batch.num_rows
            yield pa.table([batch.column(0), of_batch], schema=PREDICTIONS_SCHEMA)


@contextmanager
def _submission(store: Store, folder: str) -> Iterator[tuple[HashingSink, IO[bytes]]]:
    """A gzip of CSV that is written through a sink; the same rows give the same bytes."""
    with (
        open_sink(store, folder, SUBMISSION_NAME) as sink,
        # gzip asks no more of a file than to write to it.
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=cast(IO[bytes], sink), mtime=0) as text,
    ):
        text.write(f"{ID_COLUMN},{LABEL_COLUMN}\n".encode())
        yield sink, cast(IO[bytes], text)
