"""The safety net under the landing watch: days that were delivered and whose tables are not there (a lost run)."""

from collections.abc import Collection

from ctr_assets.automation.rules import DaysToRun, WaitFor, WatchRules
from ctr_assets.landing.zone import Delivery, LandingZone


def days_to_catch_up(
    zone: LandingZone, rules: WatchRules, done: Collection[str], *, now: float, tick: str
) -> list[DaysToRun]:
    """Days to run that are not ``done``, oldest first: those delivered, and those without a file before one delivered.

    A delivery that changed within the last ``settle_seconds`` (or lacks its marker) is left to the landing watch. With
    archives, which may hold any day, all days are delivered and those that are not done become one run. ``now`` is in
    epoch seconds; ``tick`` names the occasion in the run keys.
    """
    folders = zone.folders()
    if folders.archives.files:
        missing = [day for day in rules.days if day not in done]
        if not missing or not _has_settled(folders.archives, rules, now):
            return []
        why = f"{len(missing)} of the days that the archives may hold are not materialized"
        return [DaysToRun(missing[0], missing[-1], f"{missing[0]}..{missing[-1]}:{tick}", why)]
    to_run: list[DaysToRun] = []
    waiting: list[DaysToRun] = []
    for day in rules.days:
        delivery = Delivery() if day in done else zone.delivery(folders.days.get(day, ()))
        if delivery.files and not _is_complete(delivery, rules, now):
            break  # later days continue this one
        if delivery.files:
            waiting.append(DaysToRun(day, day, f"{day}:{tick}", f"delivered ({delivery}), but not materialized"))
        elif day not in done:
            why = "nothing was delivered for it, it is not materialized, and a later day continues it"
            waiting.append(DaysToRun(day, day, f"{day}:{tick}", why))
        if delivery.files or (day in done and day in folders.days):
            to_run, waiting = to_run + waiting, []
    return to_run


def _is_complete(delivery: Delivery, rules: WatchRules, now: float) -> bool:
    if rules.wait_for is WaitFor.SUCCESS_MARKER:
        return delivery.is_marked_complete
    return _has_settled(delivery, rules, now)


def _has_settled(delivery: Delivery, rules: WatchRules, now: float) -> bool:
    return now - max(file.modified for file in delivery.files) >= rules.settle_seconds
