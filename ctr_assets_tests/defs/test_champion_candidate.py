"""Which day's model a run puts up for promotion."""

from typing import Any

import dagster as dg
import pytest

from ctr_assets.defs.models import champion_model, evaluation_metrics, evaluation_report
from ctr_assets.defs.places import Places

DAYS = ("2014-10-21", "2014-10-22", "2014-10-23")


class RecordingLauncher:
    """Notes the parameters of every job that it was asked to launch, and launches none."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def launch(self, context, job):
        self.params[job.name] = job.params


def candidate(run_tags=None, config=None):
    """The candidate's day in a run of the report and the promotion, when all of DAYS are evaluated."""
    launcher = RecordingLauncher()
    with dg.DagsterInstance.ephemeral() as instance:
        for day in DAYS:
            instance.report_runless_asset_event(dg.AssetMaterialization(evaluation_metrics.key, partition=day))
        dg.materialize(
            [champion_model] if run_tags is None else [evaluation_report, champion_model],
            instance=instance,
            resources={
                "places": Places(landing_url="landing", store_url="store"),
                "pytorch_launcher": dg.ResourceDefinition.hardcoded_resource(launcher),
            },
            tags=run_tags,
            run_config={"ops": {"champion_model": {"config": config or {}}}},
        )
    return launcher.params["champion_model"]["day"]


def of_range(first, last):
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


@pytest.mark.parametrize(
    ("tags", "config", "expected"),
    [
        (None, {}, DAYS[2]),
        (None, {"candidate_day": DAYS[0]}, DAYS[0]),
        ({"dagster/partition": DAYS[1]}, {}, DAYS[1]),
        ({"dagster/partition": DAYS[1]}, {"candidate_day": DAYS[0]}, DAYS[0]),
        (of_range(DAYS[0], DAYS[1]), {}, DAYS[1]),
    ],
    ids=["newest evaluated", "configured", "of the run", "configured before of the run", "last of the run"],
)
def test_the_candidate_is(tags, config, expected):
    assert candidate(tags, config) == expected
