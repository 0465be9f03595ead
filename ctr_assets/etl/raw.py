"""Landing files → ``raw_impressions`` and ``quarantined_rows``: parse once, write per day, drop repeats, commit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
from pyspark.sql import SparkSession

from ctr_assets.etl.deduplicate import deduplicate
from ctr_assets.etl.landing import ParseTask, plan_tasks
from ctr_assets.etl.parse import PARSED_SCHEMA, QUARANTINE_SCHEMA, RAW_PARQUET_OPTIONS, UNDATED, Quarantine, parse
from ctr_assets.etl.tasks import attempt, run_tasks
from ctr_assets.landing.files import LandingError, find_files
from ctr_assets.storage import DataFile, Manifest, ParquetPart, Store, TableVersion, write_parquet
from ctr_assets.tables import QUARANTINE, RAW_IMPRESSIONS, RAW_SCHEMA, columns_of

MAX_PART_ROWS: Final = 1_000_000
"""Rows of one file: an encoding task holds a whole file, 112 MB of ids at 28 features."""


@dataclass
class _TaskOutcome:
    """What one successful attempt wrote: its files by day and table, in order; or the error that ends the job."""

    raw: dict[str, list[DataFile]] = field(default_factory=lambda: defaultdict(list))
    quarantined: dict[str, list[DataFile]] = field(default_factory=lambda: defaultdict(list))
    error: str | None = None


@dataclass(frozen=True)
class DayOutcome:
    """A committed day. ``duplicates``: rows left out because their id came before; ``clicks`` of labelled rows."""

    raw: Manifest
    quarantined: Manifest
    duplicates: int


def ingest(
    spark: SparkSession,
    store: Store,
    landing_url: str,
    days: list[str],
    *,
    max_quarantined_share: float,
    created_by: Mapping[str, str],
) -> tuple[dict[str, DayOutcome], Manifest | None]:
    """Read the landing zone once and commit every day of ``days``; a day without rows becomes an empty table.

    Returns the outcome of each day and the manifest of rows that belong to no day (None when no archive was read).
    Raises :class:`~ctr_assets.landing.files.LandingError` before anything is committed when a file is damaged, lacks a
    column, or more than ``max_quarantined_share`` of the rows read are rejected.
    """
    files = find_files(landing_url, days)
    tasks = plan_tasks(files)
    raw = {day: store.begin(RAW_IMPRESSIONS, day) for day in days}
    quarantine = {day: store.begin(QUARANTINE, day) for day in (*days, UNDATED)}
    outcomes = run_tasks(spark, tasks, lambda task: _parse_task(task, raw, quarantine))
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors:
        raise LandingError(errors[0])
    parts = {day: [f for o in outcomes for f in o.raw.get(day, [])] for day in days}
    rejected = {day: [f for o in outcomes for f in o.quarantined.get(day, [])] for day in quarantine}
    _check_share(parts, rejected, max_quarantined_share, landing_url)
    unique = dict(run_tasks(spark, days, lambda day: (day, deduplicate(raw[day], parts[day]))))
    committed = {}
    for day in days:
        quarantined = quarantine[day].commit(rejected[day], columns_of(QUARANTINE_SCHEMA), created_by=created_by)
        manifest = raw[day].commit(unique[day][0], columns_of(RAW_SCHEMA), created_by=created_by)
        committed[day] = DayOutcome(manifest, quarantined, unique[day][1])
    undated = None
    if any(file.day is None for file in files):
        undated = quarantine[UNDATED].commit(rejected[UNDATED], columns_of(QUARANTINE_SCHEMA), created_by=created_by)
    return committed, undated


def _parse_task(
    task: ParseTask, raw: Mapping[str, TableVersion], quarantine: Mapping[str, TableVersion]
) -> _TaskOutcome:
    outcome = _TaskOutcome()
    rejected = Quarantine()
    open_parts: dict[str, ParquetPart] = {}
    suffix = f"{task.rank:05d}-{attempt()}"
    try:
        for batch in parse(task, frozenset(raw), rejected):
            part = open_parts.get(batch.day)
            if part is not None and part.rows + batch.rows.num_rows > MAX_PART_ROWS:
                outcome.raw[batch.day].append(open_parts.pop(batch.day).close())
                part = None
            if part is None:
                version, name = raw[batch.day], f"part-{suffix}-{len(outcome.raw[batch.day]):03d}.parquet"
                part = open_parts[batch.day] = ParquetPart(
                    version.store, version.folder, name, PARSED_SCHEMA, **RAW_PARQUET_OPTIONS
                )
            part.write(batch.rows)
        for day, part in open_parts.items():
            outcome.raw[day].append(part.close())
    except LandingError as e:
        outcome.error = str(e)
        return outcome
    for day, rows in rejected.by_day.items():
        if day in quarantine:
            version = quarantine[day]
            table = pa.table([pa.array(column) for column in zip(*rows, strict=True)], schema=QUARANTINE_SCHEMA)
            outcome.quarantined[day].append(
                write_parquet(version.store, version.folder, f"part-{suffix}.parquet", table)
            )
    return outcome


def _check_share(
    parts: Mapping[str, Iterable[DataFile]], rejected: Mapping[str, Iterable[DataFile]], limit: float, landing_url: str
) -> None:
    good = sum(file.rows for files in parts.values() for file in files)
    bad = sum(file.rows for files in rejected.values() for file in files)
    if bad > limit * (good + bad):
        where = ", ".join(f"{day}: {sum(f.rows for f in files)}" for day, files in rejected.items() if list(files))
        raise LandingError(
            f"{bad} of {good + bad} rows under {landing_url} were rejected ({where}), more than the "
            f"max_quarantined_share of {limit:.2%}; nothing was committed. Mend the files, or raise the share"
        )
