"""Stage 3: models of a trailing window, their evaluation, and the one that is promoted."""

import dagster as dg

from ctr_assets.defs import SETTINGS
from ctr_assets.defs.feature_tables import encoded_features
from ctr_assets.defs.jobs import launch_each_day, launch_once
from ctr_assets.defs.launchpad import JobConfig, chosen, launchpad_config
from ctr_assets.defs.partitions import (
    daily,
    day_after,
    previous_day,
    trailing_window,
    trailing_window_and_next_day,
    window_of,
)
from ctr_assets.defs.places import Places
from ctr_assets.defs.runs import WHY
from ctr_assets.defs.schema import OWNERS, PYTORCH_KINDS
from ctr_assets.launch import JobLauncher
from ctr_assets.launchpads import LAUNCHPADS

WideDeepConfig = launchpad_config(LAUNCHPADS["wide_deep_model"], "WideDeepConfig")
GbtBaselineConfig = launchpad_config(LAUNCHPADS["gbt_baseline"], "GbtBaselineConfig")
LogisticBaselineConfig = launchpad_config(LAUNCHPADS["logistic_baseline"], "LogisticBaselineConfig")
ChampionConfig = launchpad_config(LAUNCHPADS["champion_model"], "ChampionConfig")
_window_deps = [dg.AssetDep(encoded_features, partition_mapping=trailing_window)]


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.multi_run(),
    deps=[*_window_deps, dg.AssetDep("wide_deep_model", partition_mapping=previous_day)],
    group_name="models",
    kinds=PYTORCH_KINDS,
    pool="gpu",
    owners=OWNERS,
    code_version="1",
)
def wide_deep_model(
    context: dg.AssetExecutionContext,
    config: WideDeepConfig,  # type: ignore[valid-type]
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """Wide & Deep (Cheng et al. 2016). It goes on from the model of the day before, on the day's rows.

    Each week, and where no model is fit to go on from, it learns the train split of its trailing window from scratch.
    `start` and `start_reason` say which, and why.
    """
    return launch_each_day(
        context,
        pytorch_launcher,
        places,
        config,
        window=window_of,
        training=chosen(config),
        fresh_every_days=SETTINGS.fresh_every_days,
        why=context.run.tags.get(WHY, ""),
    )


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=_window_deps,
    group_name="models",
    kinds={"spark", "python"},
    pool="spark",
    owners=OWNERS,
    code_version="1",
)
def gbt_baseline(
    context: dg.AssetExecutionContext,
    config: GbtBaselineConfig,  # type: ignore[valid-type]
    places: Places,
    spark_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """Spark's gradient-boosted trees on the same window, split and fields: what the original study compared with."""
    return launch_each_day(context, spark_launcher, places, config, window=window_of, gbt=chosen(config))


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=_window_deps,
    group_name="models",
    kinds={"scikitlearn", "python"},
    owners=OWNERS,
    code_version="1",
)
def logistic_baseline(
    context: dg.AssetExecutionContext,
    config: LogisticBaselineConfig,  # type: ignore[valid-type]
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """Logistic regression on the ids of all fields and crosses, same window and split: the bar to pass."""
    return launch_each_day(context, pytorch_launcher, places, config, window=window_of, logistic=chosen(config))


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.multi_run(),
    deps=[
        wide_deep_model,
        gbt_baseline,
        logistic_baseline,
        dg.AssetDep(encoded_features, partition_mapping=trailing_window_and_next_day),
    ],
    group_name="models",
    kinds={"scikitlearn", "python"},
    owners=OWNERS,
    code_version="1",
)
def evaluation_metrics(
    context: dg.AssetExecutionContext,
    config: JobConfig,
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """Wide & Deep, its baselines and a constant rate on the window's test rows, and on the next day's where there are.

    Every scored row is kept in the table `scored_impressions`, so that each figure can be computed again.
    """
    return launch_each_day(context, pytorch_launcher, places, config, window=window_of, next_day=day_after)


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.multi_run(),
    deps=[wide_deep_model, gbt_baseline, logistic_baseline, evaluation_metrics],
    group_name="models",
    kinds={"scikitlearn", "python"},
    owners=OWNERS,
    code_version="1",
)
def evaluation_report(
    context: dg.AssetExecutionContext,
    config: JobConfig,
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """One page about the day's model: the verdict against the champion as it is, figures by segment, curves, settings.

    ``report.html`` is complete in itself, to be sent to a colleague.
    """
    return launch_each_day(context, pytorch_launcher, places, config, truth_folder=places.truth_folder or None)


# The report first: it is written against the champion that this asset may replace.
@dg.asset(
    deps=[evaluation_metrics, evaluation_report],
    group_name="models",
    kinds=PYTORCH_KINDS,
    owners=OWNERS,
    code_version="1",
)
def champion_model(
    context: dg.AssetExecutionContext,
    config: ChampionConfig,  # type: ignore[valid-type]
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """The promoted model: replaced by one that beats the baselines and is better, or fresher and about as good."""
    return launch_once(
        context, pytorch_launcher, places, config, day=chosen(config).get("candidate_day") or _candidate_day(context)
    )


def _candidate_day(context: dg.AssetExecutionContext) -> str:
    """The day that the run is about, the last of a range; the newest evaluated one where it is about none."""
    if context.has_partition_key or context.has_partition_key_range:
        return str(context.partition_key_range.end)
    evaluated = context.instance.get_materialized_partitions(evaluation_metrics.key)
    if not evaluated:
        raise dg.Failure("No day of evaluation_metrics is materialized: materialize one, then champion_model")
    return str(max(evaluated))


# The newest model of the days before is read too. It is no dependency: the day's own model need not, and should not, be
# there before the day is validated.
@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.multi_run(),
    deps=[encoded_features, champion_model],
    group_name="models",
    kinds=PYTORCH_KINDS,
    owners=OWNERS,
    code_version="1",
)
def champion_validation(
    context: dg.AssetExecutionContext,
    config: JobConfig,
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """The champion on the day's impressions before any model has learnt from them: how good what is in use still is.

    The newest other model is scored beside it, with the paired difference of their logloss. Of a day that the champion
    may have learnt from only the test rows count. A day on which nothing can be scored is materialized all the same,
    without figures and with a note.
    """
    return launch_each_day(context, pytorch_launcher, places, config)
