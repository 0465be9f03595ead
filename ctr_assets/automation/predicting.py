"""Which days the champion must predict, and why: one pure decision over the manifests."""

from collections.abc import Callable
from dataclasses import dataclass

from ctr_assets.automation.rules import DaysToRun
from ctr_assets.automation.state import Manifests
from ctr_assets.serving import is_export_of
from ctr_assets.storage import Manifest, fingerprint


@dataclass(frozen=True)
class Due:
    """The days to predict, oldest first, and why nothing, or nothing more, is predicted."""

    days: tuple[DaysToRun, ...]
    reason: str


def days_to_predict(
    encoded: Manifests,
    predictions: Manifests,
    champion: Manifest | None,
    exported: Manifest | None,
    newest_days: int,
    failed_check: Callable[[str], str | None],
) -> Due:
    """The encoded days whose predictions are missing or out of date.

    * A day after the newest predicted one is due.
    * One of the ``newest_days`` newest days is due unless this champion has predicted it.
    * Any predicted day is due again once its rows have changed.

    ``exported`` is the champion as a file, which a day before the champion's own needs. ``failed_check`` says what a
    day's blocking checks object to, None when they all passed.
    """
    if champion is None:
        return Due((), "There is no champion yet")
    version = champion.properties["model_version"]
    predicted = max(predictions, default="")
    newest = sorted(encoded)[-newest_days:] if newest_days else []
    due, objections = [], []
    for day, rows in sorted(encoded.items()):
        made = predictions.get(day)
        if made is None:
            why = f"{day} has no predictions" if day in newest or (predicted and day > predicted) else None
        elif not made.was_made_from(rows):
            why = f"the rows of {day} have changed since they were predicted"
        elif day in newest and made.properties["champion_version"] != version:
            why = f"{day} was predicted by the champion before, of {made.properties['champion_day']}"
        else:
            why = None
        if why is None:
            continue
        objection = failed_check(day)
        if objection is None and day < champion.properties["day"] and not is_export_of(exported, champion):
            objection = "the champion is not exported yet"
        if objection:
            objections.append(f"{why}, but {objection}")
        else:
            key = fingerprint([rows.version, champion.version])[:16]
            due.append(DaysToRun(day, day, f"{day}:{key}", why))
    current = f"The champion of {champion.properties['day']} has predicted what there is"
    return Due(tuple(due), "; ".join(objections) or current)
