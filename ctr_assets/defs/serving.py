"""Stage 4: the champion in use: as one file that answers anywhere, and on every impression of a day."""

import dagster as dg

from ctr_assets.defs.feature_tables import encoded_features
from ctr_assets.defs.jobs import launch_each_day, launch_once
from ctr_assets.defs.launchpad import JobConfig
from ctr_assets.defs.models import champion_model
from ctr_assets.defs.partitions import daily
from ctr_assets.defs.places import Places
from ctr_assets.defs.schema import OWNERS, PYTORCH_KINDS
from ctr_assets.launch import JobLauncher


@dg.asset(
    deps=[champion_model],
    group_name="serving",
    kinds={"onnx", "python"},
    owners=OWNERS,
    code_version="1",
)
def serving_model(
    context: dg.AssetExecutionContext,
    config: JobConfig,
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """The champion as one ONNX file: raw strings in, click probability out. `make serve` answers with it.

    Committed only when it says what the champion says on test rows of its day; the same champion, with the same figures
    in its card, keeps its version.
    """
    return launch_once(context, pytorch_launcher, places, config)


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.multi_run(),
    # serving_model scores the days whose encoded rows are not in the champion's ids.
    deps=[encoded_features, champion_model, serving_model],
    group_name="serving",
    kinds=PYTORCH_KINDS,
    owners=OWNERS,
    code_version="1",
)
def click_predictions(
    context: dg.AssetExecutionContext,
    config: JobConfig,
    places: Places,
    pytorch_launcher: dg.ResourceParam[JobLauncher],
) -> dg.MaterializeResult[None]:
    """The champion's click probability of every impression of the day, in the order of `raw_impressions`.

    A day without labels gets `submission.csv.gz` besides, as Kaggle's competition takes it.
    """
    return launch_each_day(context, pytorch_launcher, places, config)
