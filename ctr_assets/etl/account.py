"""From what the tasks counted to the account of each text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ctr_assets.etl.header import Header
from ctr_assets.etl.parse import TaskCounts
from ctr_assets.landing.account import FURTHER_DAYS, MOST_DAYS, LineAccount
from ctr_assets.landing.containers import Text


def account_for(
    sources: Sequence[tuple[Text, Header]],
    counts: Iterable[tuple[int, TaskCounts]],
    lost: Mapping[str, Iterable[tuple[int, int]]],
) -> list[LineAccount]:
    """The account of each text: what its tasks counted, and the rows that it lost by day because their id came before.

    Both name a text by its position among ``sources``.
    """
    of_source = [TaskCounts() for _ in sources]
    for source, of_task in counts:
        of_source[source].add(of_task)
    duplicates = [Counter[str]() for _ in sources]
    for day, of_day in lost.items():
        for source, rows in of_day:
            duplicates[source][day] += rows
    return [
        LineAccount(
            source=text.name,
            lines=header.line_breaks + found.breaks.count + found.breaks.ends_open,
            header=1,
            blank=header.blank + found.blank,
            kept={day: rows - repeated[day] for day, rows in sorted(found.kept.items())},
            duplicates={day: rows for day, rows in sorted(repeated.items()) if rows},
            quarantined=dict(sorted(found.quarantined.items())),
            other_days=_most_frequent(found.other_days),
        )
        for (text, header), found, repeated in zip(sources, of_source, duplicates, strict=True)
    ]


def _most_frequent(days: Counter[str]) -> dict[str, int]:
    """The counts of the most frequent days, and of all further ones together."""
    kept = dict(sorted(days.most_common(MOST_DAYS)))
    rest = days.total() - sum(kept.values())
    return {**kept, FURTHER_DAYS: rest} if rest else kept
