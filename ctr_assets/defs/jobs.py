"""From an asset's context to a job description: the parameters that every job shares."""

from typing import Any

import dagster as dg

from ctr_assets import __version__
from ctr_assets.defs.launchpad import JobConfig
from ctr_assets.defs.places import Places
from ctr_assets.launch import JobDescription, JobLauncher


def launch_days(
    context: dg.AssetExecutionContext, launcher: JobLauncher, places: Places, config: JobConfig, **params: Any
) -> dg.MaterializeResult[None]:
    """One job for all the days of the run: the Spark tables."""
    days = sorted(context.partition_keys)
    _launch(context, launcher, places, config, tuple(days), days=days, **params)
    return dg.MaterializeResult()


def launch_each_day(
    context: dg.AssetExecutionContext, launcher: JobLauncher, places: Places, config: JobConfig, **params: Any
) -> dg.MaterializeResult[None]:
    """One job a day, in order: a model or an evaluation. A callable parameter is called with the day."""
    for day in sorted(context.partition_keys):
        of_day = {name: value(day) if callable(value) else value for name, value in params.items()}
        _launch(context, launcher, places, config, (day,), day=day, code_version=_code_version(context), **of_day)
    return dg.MaterializeResult()


def launch_once(
    context: dg.AssetExecutionContext, launcher: JobLauncher, places: Places, config: JobConfig, **params: Any
) -> dg.MaterializeResult[None]:
    """One job for an asset without partitions."""
    _launch(context, launcher, places, config, ("",), code_version=_code_version(context), **params)
    return dg.MaterializeResult()


def _launch(
    context: dg.AssetExecutionContext,
    launcher: JobLauncher,
    places: Places,
    config: JobConfig,
    partitions: tuple[str, ...],
    **params: Any,
) -> None:
    created_by = {"run_id": context.run.run_id, "asset": context.asset_key.to_user_string(), "package": __version__}
    params = {"store_url": places.store_url, "created_by": created_by, **params}
    launcher.launch(context, JobDescription(context.asset_key.path[-1], params, partitions, config.resources))


def _code_version(context: dg.AssetExecutionContext) -> str:
    return context.assets_def.code_versions_by_key[context.asset_key] or ""
