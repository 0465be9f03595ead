"""The deployed graph as tables: its assets, checks, jobs, sensors and schedules, read from the definitions."""

from typing import Any, Final, cast

import dagster as dg

from ctr_assets.definitions import defs
from ctr_assets.defs.asset_jobs import ASSETS_OF_JOB
from ctr_assets.defs.checks import CHECKS
from ctr_assets.defs.retries import forgotten_retries
from ctr_assets.defs.sweep import orphan_sweeper
from ctr_assets_tests.docs.markdown import code, table

GRAPH: Final = defs.resolve_asset_graph()
ENGINES: Final = {"spark": "Spark", "pytorch": "PyTorch", "scikitlearn": "scikit-learn", "onnx": "ONNX Runtime"}
"""Kind of an asset → what does its work."""


def names() -> list[str]:
    """Every asset, what is needed before what needs it."""
    return [key.path[-1] for level in GRAPH.toposorted_asset_keys_by_level for key in sorted(level)]


def engine_of(name: str) -> str:
    """What does the work of an asset."""
    return next(ENGINES[kind] for kind in ENGINES if kind in node(name).kinds)


def node(name: str) -> Any:
    """The asset of that name, as the graph has it."""
    return GRAPH.get(dg.AssetKey(name))


def assets() -> str:
    """A section an asset."""
    return "\n\n".join(f"## {code(name)}\n\n{node(name).description}\n\n{_facts_of(name)}" for name in names())


def _facts_of(name: str) -> str:
    of = node(name)
    facts = [
        ("group", code(of.group_name)),
        ("made by", engine_of(name)),
        ("made from", "; ".join(_made_from(name)) or "the landing zone"),
        ("partitions", f"one a day; a range of days is {_runs_of(of)}" if of.partitions_def else "none"),
        ("pools", ", ".join(map(code, sorted(of.pools))) or "none"),
        ("checks", ", ".join(code(check.name) for check in _checks_of(name)) or "none"),
        ("jobs", ", ".join(code(job) for job, made in ASSETS_OF_JOB.items() if name in made)),
    ]
    return table(("", ""), facts)


def _made_from(name: str) -> list[str]:
    return [f"{code(parent.path[-1])}{_days_of(name, parent)}" for parent in sorted(node(name).parent_keys)]


def _days_of(name: str, parent: dg.AssetKey) -> str:
    """Which days of the parent a day is made from, in words."""
    if not GRAPH.get(parent).partitions_def or not node(name).partitions_def:
        return ""
    mapping = GRAPH.get_partition_mapping(dg.AssetKey(name), parent)
    first, last = mapping.start_offset, mapping.end_offset  # type: ignore[attr-defined]  # all are of time windows
    words = {(0, 0): "of the day", (-1, -1): "of the day before"}
    following = " and the day after" if last else ""
    return f" {words.get((first, last), f'of the trailing {1 - first} days{following}')}"


def _runs_of(of: Any) -> str:
    return "one run" if of.backfill_policy == dg.BackfillPolicy.single_run() else "one run a day"


def _checks_of(name: str) -> list[Any]:
    return next((checks for asset, checks in CHECKS.items() if asset.key.path[-1] == name), [])


def checks() -> str:
    """Every check of every asset."""
    rows = [
        (code(name) if position == 0 else "", code(check.name), "yes" if check.blocking else "no", check.description)
        for name in names()
        for position, check in enumerate(_checks_of(name))
    ]
    return table(("asset", "check", "blocking", "passes when"), rows)


def jobs() -> str:
    """Every job and the assets that it makes."""
    rows = [
        (code(job.name), job.description or "", ", ".join(map(code, ASSETS_OF_JOB.get(job.name, ()))) or "none")
        for job in defs.jobs or ()
    ]
    return table(("job", "what it does", "assets"), rows)


def sensors() -> str:
    """Every sensor, those of a cluster included."""
    everywhere = [*(defs.sensors or ()), orphan_sweeper, forgotten_retries]
    rows = [
        (code(sensor.name), code(job) if (job := _job_of(sensor)) else "none", _what_it_does(sensor))
        for sensor in everywhere
    ]
    return table(("sensor", "job", "what it does"), rows)


def _job_of(sensor: Any) -> str:
    return sensor.job_name if sensor.has_jobs or sensor.targets else ""


def schedules() -> str:
    """Every schedule."""
    rows = [
        (code(s.name), code(s.job_name), f"{code(s.cron_schedule)}, {s.execution_timezone}", _what_it_does(s))
        for s in (cast(Any, each) for each in defs.schedules or ())
    ]
    return table(("schedule", "job", "when", "what it does"), rows)


def _what_it_does(automation: Any) -> str:
    """Its description, or the docstring of the function that it was made of."""
    return str(automation.description or automation.__doc__)
