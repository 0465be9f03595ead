"""One scripted asset that any launcher can launch, and what the event log says of it afterwards."""

import dagster as dg

from ctr_assets.launch import JobDescription, JobLauncher

DAYS = ("2014-10-21", "2014-10-22")
KEY = dg.AssetKey("scripted")
daily = dg.DailyPartitionsDefinition(start_date=DAYS[0], end_date="2014-10-23")


@dg.asset(
    name="scripted",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema={"behaviour": dg.Permissive()},
)
def scripted(context: dg.AssetExecutionContext, launcher: dg.ResourceParam[JobLauncher]) -> dg.MaterializeResult:
    """Launches a job that behaves as configured and reports the run's days."""
    behaviour = {"reports": list(context.partition_keys), **context.op_execution_context.op_config["behaviour"]}
    launcher.launch(context, JobDescription("wide_deep_model", behaviour, tuple(context.partition_keys)))
    return dg.MaterializeResult()


def materialize(launcher, instance, days=DAYS, **behaviour):
    """Materialize a range of days in one run of this process."""
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    return dg.materialize(
        [scripted],
        instance=instance,
        resources={"launcher": launcher},
        tags=tags,
        run_config={"ops": {"scripted": {"config": {"behaviour": behaviour}}}},
        raise_on_error=False,
    )


def failure_of(result):
    """What the step's failure event says."""
    (event,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    data = event.step_failure_data
    assert data.error is not None
    return data.user_failure_data.description if data.user_failure_data else data.error.message


def materialized(instance):
    return instance.get_materialized_partitions(KEY)
