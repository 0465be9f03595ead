"""Writes one day: its CSV and its truth, in chunks whose random numbers depend on (seed, day, chunk) alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ctr_assets.demo.calendar import DayPlan
from ctr_assets.demo.click_effects import build_click_model
from ctr_assets.demo.devices import device_addresses, device_ids
from ctr_assets.demo.files import complete_file, open_csv
from ctr_assets.demo.identifiers import impression_ids
from ctr_assets.demo.rows import HEADER, TRUTH_SCHEMA, csv_bytes, field_texts, hour_texts, truth_batch
from ctr_assets.demo.sampling import Impressions, draw_impressions
from ctr_assets.demo.score import TruthScore
from ctr_assets.demo.vocabulary import Vocabulary, build_vocabulary

CHUNK_ROWS = 250_000  # 40 MB of CSV; a worker's peak is some 400 MB.
PILOT_ROWS = 32_768  # The click rate solved on them is off by about 0.15 / sqrt(32,768) = 0.0008.
PILOT_CHUNK = 2**32 - 1  # Chunk number of the pilot's random numbers; no day has so many chunks.


@dataclass(frozen=True)
class DayTask:
    """What a worker needs to write one day.

    Attributes:
        plan: the day's volumes.
        last_age: last day whose values are in the vocabulary, in days since 2014-10-21.
        landing, truth: folders of the CSV and of the truth.
        seed: of the run.
        gzip: whether the CSV is compressed.
    """

    plan: DayPlan
    last_age: int
    landing: Path
    truth: Path
    seed: int
    gzip: bool


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)), any shape."""
    return 1.0 / (1.0 + np.exp(-logits))


def solve_intercept(logits: NDArray[np.float64], click_rate: float) -> float:
    """The number to add to the logits, shape (n,), that makes their mean probability `click_rate`, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(40):  # 60 / 2^40 < 10^-10.
        middle = (low + high) / 2
        low, high = (low, middle) if sigmoid(logits + middle).mean() > click_rate else (middle, high)
    return (low + high) / 2


def write_day(task: DayTask, rows_done: Callable[[int], None]) -> TruthScore:
    """Writes `day=.../impressions.csv[.gz]` and `day=....parquet`, the latter last; returns the day's sums.

    Args:
        task: the day.
        rows_done: told the number of rows after each chunk.

    Raises:
        OSError: a folder or file cannot be written; neither file is left half.
    """
    day = task.plan.day.isoformat()
    csv_path = task.landing / f"day={day}" / ("impressions.csv.gz" if task.gzip else "impressions.csv")
    score = TruthScore()
    with (
        complete_file(task.truth / f"day={day}.parquet") as truth_path,
        complete_file(csv_path) as partial_csv,
        # Ids and probabilities hardly ever repeat: a dictionary would only cost time.
        pq.ParquetWriter(truth_path, TRUTH_SCHEMA, use_dictionary=False) as truth,
        open_csv(partial_csv, task.gzip) as csv,
    ):
        csv.write(HEADER)
        for ids, probabilities, clicks, lines in _chunks(task):
            csv.write(lines)
            truth.write_batch(truth_batch(ids, probabilities))
            score.add(probabilities, clicks)
            rows_done(len(ids))
    return score


def _chunks(task: DayTask) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.float64], NDArray[np.bool_], bytes]]:
    """Ids, probabilities, clicks and CSV lines of each chunk of the day, in order of the hour."""
    plan = task.plan
    vocabulary = build_vocabulary(task.last_age)
    intercept = _day_intercept(task, vocabulary)
    hour_ends = np.cumsum(plan.hourly_rows)
    hour_values = hour_texts(plan.day.strftime("%y%m%d"))
    for number, first_row in enumerate(range(0, plan.rows, CHUNK_ROWS)):
        rows = min(CHUNK_ROWS, plan.rows - first_row)
        rng = _random(task, number)
        hours = np.searchsorted(hour_ends, np.arange(first_row, first_row + rows), side="right")
        x = draw_impressions(rng, vocabulary, hours, plan.age_days)
        probabilities = sigmoid(_logits(task, x) + intercept)
        clicks = rng.random(rows) < probabilities
        texts = field_texts(vocabulary, x)
        texts["id"] = impression_ids(plan.day.toordinal(), first_row, rows, task.seed)
        texts["click"] = np.array([b"0", b"1"])[clicks.astype(np.int64)]
        texts["hour"] = hour_values[hours]
        texts["device_ip"] = device_addresses(rng, rows, plan.age_days)
        is_app = vocabulary.is_app[x.placement]
        texts["device_id"] = device_ids(rng, texts["device_type"], is_app, plan.age_days)
        yield texts["id"], probabilities, clicks, csv_bytes(texts)


def _logits(task: DayTask, x: Impressions) -> NDArray[np.float64]:
    """The click model of the day, shape (n,): the seed's own, turned into the next seed's as far as the plan says."""
    logits = build_click_model(task.last_age, task.seed).logits(x)
    if not task.plan.turn:
        return logits
    other = build_click_model(task.last_age, task.seed + 1).logits(x)
    turned: NDArray[np.float64] = np.cos(task.plan.turn) * logits + np.sin(task.plan.turn) * other
    return turned


def _day_intercept(task: DayTask, vocabulary: Vocabulary) -> float:
    """The day's intercept, solved on a pilot sample of the day's traffic."""
    rng = _random(task, PILOT_CHUNK)
    weights = task.plan.hourly_rows / max(task.plan.rows, 1)
    hours = rng.choice(24, size=PILOT_ROWS, p=weights) if task.plan.rows else np.zeros(PILOT_ROWS, dtype=np.int64)
    return solve_intercept(
        _logits(task, draw_impressions(rng, vocabulary, hours, task.plan.age_days)), task.plan.click_rate
    )


def _random(task: DayTask, chunk: int) -> np.random.Generator:
    """The chunk's random numbers: PCG64 seeded by (seed, day, chunk)."""
    return np.random.default_rng([task.seed, task.plan.day.toordinal(), chunk])
