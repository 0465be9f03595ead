"""``raw_impressions`` and ``quarantined_rows``: parse once, write per day, drop repeats, account for all, commit."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pyspark.sql import SparkSession

from ctr_assets.etl.account import account_for
from ctr_assets.etl.counts import COUNTS, counts_property
from ctr_assets.etl.day_files import DayFiles
from ctr_assets.etl.deduplicate import deduplicate, discard_hashes
from ctr_assets.etl.parse import BadRowError, ParsedRows, TaskCounts, parse
from ctr_assets.etl.plan import ParseTask, plan_tasks
from ctr_assets.etl.raw_files import CountedRows, RawFiles, RawPart, count_rows
from ctr_assets.etl.tasks import attempt, run_tasks
from ctr_assets.landing.account import LineAccount, check_closed
from ctr_assets.landing.errors import LandingError, shown
from ctr_assets.landing.files import find_files
from ctr_assets.storage import DataFile, Manifest, Store, TableVersion
from ctr_assets.storage.prefetch import map_ahead
from ctr_assets.tables import (
    LINE_ACCOUNT,
    QUARANTINE,
    QUARANTINE_SCHEMA,
    RAW_IMPRESSIONS,
    RAW_SCHEMA,
    UNDATED,
    columns_of,
)

_COUNTED_AHEAD: Final = 1
"""Row groups that are counted while the one before is written."""


@dataclass
class _TaskOutcome:
    """What one successful attempt wrote: its files by day and table, in order; or the error that ends the job.

    ``bad_line`` is the position among the task's lines of the one that the error is about.
    """

    counts: TaskCounts = field(default_factory=TaskCounts)
    raw: dict[str, list[RawPart]] = field(default_factory=dict)
    quarantined: dict[str, list[DataFile]] = field(default_factory=dict)
    error: str | None = None
    bad_line: int | None = None


@dataclass(frozen=True)
class DayOutcome:
    """A committed day, and what became of the lines of each file that may hold its rows."""

    raw: Manifest
    quarantined: Manifest
    accounts: list[LineAccount]


@dataclass(frozen=True)
class Ingested:
    """The committed days; ``undated``: rows of archives that belong to no day (None when none was read).

    ``left_out`` says of delivered files and members that hold no impressions why they were not read.
    """

    days: dict[str, DayOutcome]
    undated: Manifest | None
    left_out: dict[str, str]


def ingest(
    spark: SparkSession,
    store: Store,
    landing_url: str,
    days: list[str],
    *,
    max_quarantined_share: float,
    created_by: Mapping[str, str],
) -> Ingested:
    """Read the landing zone once and commit every day of ``days``; a day without rows becomes an empty table.

    Raises :class:`~ctr_assets.landing.errors.LandingError` before anything is committed: when a file is damaged, lacks
    a column, was spoilt or changed meanwhile; when a line is not accounted for; or when more than
    ``max_quarantined_share`` of the rows read are rejected.
    """
    plan = plan_tasks(find_files(landing_url, days))
    raw = {day: store.begin(RAW_IMPRESSIONS, day) for day in days}
    quarantine = {day: store.begin(QUARANTINE, day) for day in (*days, UNDATED)}
    outcomes = run_tasks(spark, plan.tasks, lambda task: _parse_task(task, raw, quarantine))
    done = list(zip(plan.tasks, outcomes, strict=True))
    _raise_first(done)
    _check_share(outcomes, max_quarantined_share, landing_url)
    parts = {day: [(task.source, p) for task, outcome in done for p in outcome.raw.get(day, [])] for day in days}
    rejected = {day: [f for o in outcomes for f in o.quarantined.get(day, [])] for day in quarantine}
    written = {day: [part for _, part in of_day] for day, of_day in parts.items()}
    unique, repeats = deduplicate(spark, raw, written)
    for day in days:
        discard_hashes(raw[day], written[day])
    lost = {day: [(source, n) for (source, _), n in zip(parts[day], repeats[day], strict=True)] for day in days}
    accounts = account_for(plan.sources, [(task.source, outcome.counts) for task, outcome in done], lost)
    check_closed(accounts)
    committed = {}
    for day in days:
        of_day = [
            account for account, (text, _) in zip(accounts, plan.sources, strict=True) if text.file.day in (None, day)
        ]
        quarantined = quarantine[day].commit(rejected[day], columns_of(QUARANTINE_SCHEMA), created_by=created_by)
        manifest = raw[day].commit(
            [part.rows for part in unique[day]],
            columns_of(RAW_SCHEMA),
            properties={
                LINE_ACCOUNT: [account.model_dump() for account in of_day],
                COUNTS: counts_property(part.counts for part in unique[day]),
            },
            created_by=created_by,
        )
        committed[day] = DayOutcome(manifest, quarantined, of_day)
    undated = None
    if any(text.file.day is None for text, _ in plan.sources):
        undated = quarantine[UNDATED].commit(rejected[UNDATED], columns_of(QUARANTINE_SCHEMA), created_by=created_by)
    return Ingested(committed, undated, plan.left_out)


def _parse_task(
    task: ParseTask, raw: Mapping[str, TableVersion], quarantine: Mapping[str, TableVersion]
) -> _TaskOutcome:
    outcome = _TaskOutcome()
    suffix = f"{task.rank:05d}-{attempt()}"
    impressions, rejected = RawFiles(raw, suffix), DayFiles(quarantine, suffix, QUARANTINE_SCHEMA)
    try:
        for found, counted in map_ahead(_count, parse(task, frozenset(raw), outcome.counts), _COUNTED_AHEAD):
            if counted is None:
                rejected.write(found.day, found.rows)
            else:
                impressions.write(found.day, counted)
        outcome.raw, outcome.quarantined = impressions.close(), rejected.close()
    except LandingError as e:
        outcome.error = str(e)
    except BadRowError as e:
        outcome.error, outcome.bad_line = str(e), e.line
    return outcome


def _count(found: ParsedRows) -> tuple[ParsedRows, CountedRows | None]:
    return found, None if found.is_rejected else count_rows(found.rows)


def _raise_first(done: list[tuple[ParseTask, _TaskOutcome]]) -> None:
    """Raise the first task's error; a bad row's with its line in the file, from 1."""
    lines_before: Counter[int] = Counter()
    for task, outcome in done:
        if outcome.bad_line is not None:
            line = task.header.blank + 1 + lines_before[task.source] + outcome.bad_line + 1
            raise LandingError(f"{task.text.name}: line {line:,}: {outcome.error}")
        if outcome.error is not None:
            raise LandingError(outcome.error)
        lines_before[task.source] += outcome.counts.lines


def _check_share(outcomes: list[_TaskOutcome], limit: float, landing_url: str) -> None:
    good = sum(outcome.counts.kept.total() for outcome in outcomes)
    rejected = sum((outcome.counts.quarantined for outcome in outcomes), Counter())
    bad = rejected.total()
    if bad > limit * (good + bad):
        where = ", ".join(f"{day}: {count}" for day, count in rejected.items())
        raise LandingError(
            f"{bad} of {good + bad} rows under {shown(landing_url)} were rejected ({where}), more than the "
            f"max_quarantined_share of {limit:.2%}; nothing was committed. Mend the files, or raise the share"
        )
