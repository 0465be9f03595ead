"""Generates days of Avazu-shaped impressions with a known click model, a file per day, over several processes."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from ctr_assets.demo.calendar import Drift, plan_days
from ctr_assets.demo.day_writer import DayTask, write_day
from ctr_assets.demo.published import FIRST_PUBLISHED_DAY, published
from ctr_assets.demo.score import TruthScore

PROGRESS_SECONDS = 0.2  # How often the parent looks at the workers' row count.
MAX_DAYS = 1_000  # Fresh devices repeat after so many days; see `devices.FRESH_BLOCKS`.

_rows_done: "Synchronized[int]"  # Set in each worker process by `_start_worker`.


@dataclass(frozen=True)
class DemoSummary:
    """What was generated, and the best figures that any model can reach on it.

    AUC and logloss compare the true probabilities with the drawn clicks, in bounded memory: the AUC from a histogram of
    100,000 bins of the probability (error below 0.00001), the logloss from exact sums. The expected figures use the
    probabilities in place of the drawn clicks. AUCs are NaN where there is no click, or nothing but clicks.

    Attributes:
        rows, clicks: counts.
        best_auc, best_logloss: of the truth against the drawn clicks; logloss in nats per impression.
        expected_auc, expected_logloss: the same, averaged over all draws of the clicks.
    """

    rows: int
    clicks: int
    best_auc: float
    best_logloss: float
    expected_auc: float
    expected_logloss: float


def generate(
    rows: int,
    landing: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    first_day: date = FIRST_PUBLISHED_DAY,
    days: int = 10,
    seed: int = 2014,
    gzip: bool = False,
    workers: int | None = None,
    drift: Drift = Drift.PUBLISHED,
    progress: Callable[[int], None] | None = None,
) -> DemoSummary:
    """Writes `landing/day=YYYY-MM-DD/impressions.csv[.gz]` and `truth/day=YYYY-MM-DD.parquet` for every day.

    The same rows, days, drift and seed give the same bytes, whatever the number of workers. A file appears only when it
    is complete; files of the same day are replaced.

    Args:
        rows: impressions over all days, split in the published proportions.
        landing: folder of the CSV files; made if missing.
        truth: folder of the true click probabilities; made if missing.
        first_day: first UTC date.
        days: consecutive days, at most MAX_DAYS; days after 2014-10-30 repeat the published ten and bring new values.
        seed: of the click model and all draws, >= 0.
        gzip: compress the CSV files.
        workers: processes, each writing one day at a time; None for one per core.
        drift: how the days differ from one another.
        progress: told the number of new rows from time to time.

    Raises:
        ValueError: an argument is out of range.
        OSError: a folder cannot be written.
        RuntimeError: a worker process was killed.
    """
    if days > MAX_DAYS:
        raise ValueError(f"days is {days}: at most {MAX_DAYS} are possible, because device ids repeat after them")
    if seed < 0:
        raise ValueError(f"seed is {seed}: give a number of at least 0")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}: give at least 1, or none for one per core")
    plans = plan_days(rows, first_day, days, drift)
    landing, truth = Path(landing), Path(truth)
    for folder in (landing, truth):
        _check_writable(folder)
    last_age = max(plans[-1].age_days, len(published().daily_rows) - 1)  # The same vocabulary for all published days.
    tasks = [DayTask(plan, last_age, landing, truth, seed, gzip) for plan in plans]
    workers = min(workers or os.cpu_count() or 1, len(tasks))
    report = progress or (lambda _: None)
    scores = [write_day(task, report) for task in tasks] if workers == 1 else _in_processes(tasks, workers, report)
    total = TruthScore()
    for score in scores:  # In date order: the sums do not depend on which day was ready first.
        total.merge(score)
    return DemoSummary(
        rows=total.rows,
        clicks=total.clicks,
        best_auc=total.auc,
        best_logloss=total.loss / total.rows,
        expected_auc=total.expected_auc,
        expected_logloss=total.expected_loss / total.rows,
    )


def _check_writable(folder: Path) -> None:
    """Makes the folder; raises OSError at once rather than after the first day."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise OSError(f"cannot make the folder {folder}: {e}; name a folder that this user may write") from e
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} is not writable; name one that this user may write")


def _in_processes(tasks: list[DayTask], workers: int, report: Callable[[int], None]) -> list[TruthScore]:
    """The days' sums in date order; the largest days start first, so that no core waits long at the end."""
    context = get_context("spawn")  # A fork of a process with Arrow's threads can hang.
    done = context.Value("q", 0)
    reported = 0
    with ProcessPoolExecutor(workers, context, _start_worker, (done,)) as pool:
        order = sorted(range(len(tasks)), key=lambda i: -tasks[i].plan.rows)
        futures = {i: pool.submit(_write_in_worker, tasks[i]) for i in order}
        pending = set(futures.values())
        while pending:
            finished, pending = wait(pending, timeout=PROGRESS_SECONDS)
            for future in finished:
                if (error := future.exception()) is not None:
                    pool.shutdown(cancel_futures=True)
                    if isinstance(error, BrokenProcessPool):
                        message = f"one of {workers} worker processes was killed, perhaps for lack of memory: use fewer"
                        raise RuntimeError(message) from error
                    raise error
            report(done.value - reported)
            reported = done.value
        return [futures[i].result() for i in range(len(tasks))]


def _start_worker(rows_done: "Synchronized[int]") -> None:
    global _rows_done
    _rows_done = rows_done


def _write_in_worker(task: DayTask) -> TruthScore:
    def count(rows: int) -> None:
        with _rows_done.get_lock():
            _rows_done.value += rows

    return write_day(task, count)
