"""``raw_impressions`` and ``quarantined_rows``: parse once, write per day, drop repeats, account for all, commit."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from ctr_assets.etl.account import account_for
from ctr_assets.etl.columns import code_rows
from ctr_assets.etl.counts import COUNTS, Buckets, count_values, write_counts
from ctr_assets.etl.day_files import DayFiles
from ctr_assets.etl.deduplicate import Hashes, RawPart, deduplicate, discard_hashes, write_hashes
from ctr_assets.etl.parse import PARSED_SCHEMA, RAW_PARQUET_OPTIONS, BadRowError, TaskCounts, parse
from ctr_assets.etl.plan import ParseTask, plan_tasks
from ctr_assets.etl.tasks import attempt, run_tasks
from ctr_assets.landing.account import LineAccount, check_closed
from ctr_assets.landing.errors import LandingError, shown
from ctr_assets.landing.files import find_files
from ctr_assets.storage import DataFile, Manifest, Store, TableVersion
from ctr_assets.tables import (
    LINE_ACCOUNT,
    QUARANTINE,
    QUARANTINE_SCHEMA,
    RAW_IMPRESSIONS,
    RAW_SCHEMA,
    UNDATED,
    columns_of,
)


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
    unique = dict(run_tasks(spark, days, lambda day: (day, deduplicate(raw[day], [part for _, part in parts[day]]))))
    for day in days:
        discard_hashes(raw[day], [part for _, part in parts[day]])
    lost = {day: [(source, n) for (source, _), n in zip(parts[day], unique[day][1], strict=True)] for day in days}
    accounts = account_for(plan.sources, [(task.source, outcome.counts) for task, outcome in done], lost)
    check_closed(accounts)
    committed = {}
    for day in days:
        of_day = [
            account for account, (text, _) in zip(accounts, plan.sources, strict=True) if text.file.day in (None, day)
        ]
        quarantined = quarantine[day].commit(rejected[day], columns_of(QUARANTINE_SCHEMA), created_by=created_by)
        manifest = raw[day].commit(
            [part.rows for part in unique[day][0]],
            columns_of(RAW_SCHEMA),
            properties={
                LINE_ACCOUNT: [account.model_dump() for account in of_day],
                COUNTS: [part.counts.model_dump() for part in unique[day][0]],
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
    impressions = DayFiles(raw, suffix, PARSED_SCHEMA, **RAW_PARQUET_OPTIONS)
    rejected = DayFiles(quarantine, suffix, QUARANTINE_SCHEMA)
    counted: dict[tuple[str, int], list[Buckets]] = defaultdict(list)
    hashes: dict[tuple[str, int], list[Hashes]] = defaultdict(list)
    try:
        for found in parse(task, frozenset(raw), outcome.counts):
            if found.is_rejected:
                rejected.write(found.day, found.rows)
            else:
                number = impressions.write(found.day, found.rows)
                rows = code_rows(found.rows)
                counted[found.day, number].append(count_values(rows))
                hashes[found.day, number].append(rows.id_hashes)
        outcome.quarantined = rejected.close()
        outcome.raw = {
            day: [
                RawPart(
                    file,
                    write_counts(raw[day], file.name, counted[day, number]),
                    write_hashes(raw[day], file.name, hashes[day, number]),
                )
                for number, file in enumerate(files)
            ]
            for day, files in impressions.close().items()
        }
    except LandingError as e:
        outcome.error = str(e)
    except BadRowError as e:
        outcome.error, outcome.bad_line = str(e), e.line
    return outcome


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
