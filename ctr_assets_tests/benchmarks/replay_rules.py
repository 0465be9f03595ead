"""Rules of promotion, replayed over days: ``python -m … STORE FIRST_DAY DAYS``.

``docs/concepts/promotion.md`` has the table.

As in use: a day comes and is scored by what is in use; then it is learnt, and the rule says whether its model takes
over for the next day. The comparisons are those of ``ctr_assets.evaluation``, on the test split of the model's window.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ctr_assets.days import shift
from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.promotion import MARGIN, decide
from ctr_assets.evaluation.scored import RowsOf
from ctr_assets.evaluation.uncertainty import Clusters, estimate
from ctr_assets.storage import Store
from ctr_assets_tests.benchmarks.measuring import tell
from ctr_assets_tests.benchmarks.replay_models import RESEEDED_EVERY, SEEDS, WINDOW, Day, broken_off, replay_models

Rule = Callable[[Comparison, bool], bool]
"""Whether a candidate takes the champion's place, from their comparison and whether it is fresher."""


def _margin(margin: float) -> Rule:
    return lambda found, is_fresher: found.is_better or (is_fresher and found.is_no_worse(margin))


RULES: dict[str, Rule] = {
    "always the newest": lambda found, is_fresher: True,
    "never change": lambda found, is_fresher: False,
    "lower on the test split (the former rule)": lambda found, is_fresher: found.difference < 0,
    "better by two standard errors": lambda found, is_fresher: found.is_better,
    "or fresher and worse by at most 0.25 %": _margin(0.0025),
    f"or fresher and worse by at most {100 * MARGIN:g} %: ours": lambda found, is_fresher: (
        decide(0.0, {}, found, is_fresher=is_fresher).promoted
    ),
    "or fresher and worse by at most 1 %": _margin(0.01),
    "or fresher and measured within 0.5 %": lambda found, is_fresher: (
        found.is_better or (is_fresher and found.increase <= 0.005)
    ),
}


@dataclass(frozen=True)
class Outcome:
    """Mean logloss of what was in use over the days, nats a row, and how often it changed."""

    logloss: float
    changes: int
    broken_days: int
    """Days on which the model of a broken training was in use."""


def compare_on(days: Sequence[Day], rows_of: RowsOf, candidate: str, champion: str) -> Comparison:
    """Both models on the same rows of some days."""
    losses = [np.concatenate([day.losses[m, rows_of] for day in days]).astype(float) for m in (candidate, champion)]
    clusters = [day.clusters[rows_of] for day in days]
    hours = np.concatenate([each.hours + 100 * number for number, each in enumerate(clusters)])
    found = estimate(losses[0] - losses[1], Clusters(hours, np.concatenate([each.devices for each in clusters])))
    candidate_mean, champion_mean = (float(each.mean()) for each in losses)
    return Comparison("", len(hours), 0, candidate_mean, champion_mean, found.value, found.standard_error)


def replay(days: dict[str, Day], models: Sequence[str], rule: Rule) -> Outcome:
    """``models`` are those of the days in order, from the first that has one; the first is in use at once."""
    names = list(days)
    in_use, changes, losses, broken_days = models[0], 0, [], 0
    for position, model in enumerate(models[1:], start=len(names) - len(models) + 1):
        losses.append(float(days[names[position]].losses[in_use, RowsOf.ALL].mean(dtype=float)))
        broken_days += in_use not in days
        window = [days[name] for name in names[position - WINDOW + 1 : position + 1]]
        if rule(compare_on(window, RowsOf.TEST, model, in_use), True):
            in_use, changes = model, changes + 1
    return Outcome(float(np.mean(losses)), changes, broken_days)


def reseeded_changes(days: dict[str, Day], rule: Rule) -> tuple[int, int]:
    """How often a model of the champion's own day, of another seed, takes its place; and of how many."""
    names, changes, contests = list(days), 0, 0
    for position in range(WINDOW - 1, len(names), RESEEDED_EVERY):
        window, in_use = [days[name] for name in names[position - WINDOW + 1 : position + 1]], names[position]
        for seed in range(1, SEEDS):
            contests += 1
            candidate = f"{names[position]} seed {seed}"
            if rule(compare_on(window, RowsOf.TEST, candidate, in_use), False):
                in_use, changes = candidate, changes + 1
    return changes, contests


def main(store: str, first_day: str, count: int) -> None:
    days = replay_models(Store(store), [shift(first_day, n) for n in range(count)])
    models = list(days)[WINDOW - 1 :]
    with_accidents = [broken_off(day) if broken_off(day) in days[day].known else day for day in models]
    lines = []
    for name, rule in RULES.items():
        began = time.perf_counter()
        plain, accidents = replay(days, models, rule), replay(days, with_accidents, rule)
        changes, contests = reseeded_changes(days, rule)
        lines.append(
            {
                "rule": name,
                "days": len(models) - 1,
                "logloss": plain.logloss,
                "changes": plain.changes,
                "logloss_with_accidents": accidents.logloss,
                "broken_days": accidents.broken_days,
                "reseeded_changes": changes,
                "reseeded": contests,
                "seconds": time.perf_counter() - began,
            }
        )
    tell(lines=lines)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
