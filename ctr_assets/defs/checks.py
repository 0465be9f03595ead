"""The checks of each asset: what is looked at (``ctr_assets.quality``), against what, and what a failure stops.

A blocking check that fails ends the run before anything downstream starts, and the retraining sensor trains nothing on
a day whose blocking checks did not pass. All of an asset's checks are one step; each day of a run gets its own results.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import dagster as dg
from pydantic import Field, FiniteFloat, model_validator

from ctr_assets.defs.feature_tables import encoded_features, feature_vocabulary
from ctr_assets.defs.ingest import impression_profile, raw_impressions
from ctr_assets.defs.models import evaluation_metrics, evaluation_report, wide_deep_model
from ctr_assets.defs.partitions import first_and_last_day
from ctr_assets.defs.places import Places
from ctr_assets.defs.serving import click_predictions, serving_model
from ctr_assets.plain_text import markdown_table
from ctr_assets.quality import distribution, ids, model, serving, volume
from ctr_assets.quality.finding import Finding
from ctr_assets.storage import Store
from ctr_assets.tables import CURRENT, ENCODED_FEATURES, ENCODED_SCHEMA, RAW_IMPRESSIONS, RAW_SCHEMA


class CheckThresholds(dg.ConfigurableResource[Any]):
    """What still counts as usual. Relative to the trailing week unless said otherwise."""

    max_row_ratio: FiniteFloat = Field(
        default=3.0,
        gt=1,
        le=1000,
        description="Rows of a day: at most this many times more, or fewer, than the week's median",
    )
    max_quarantined_share: FiniteFloat = Field(
        default=0.005, ge=0, le=1, description="Rejected share of a day's rows, 0 to 1"
    )
    max_duplicate_share: FiniteFloat = Field(
        default=0.01, ge=0, le=1, description="Share of a day's rows, 0 to 1, whose id came before"
    )
    min_click_rate: FiniteFloat = Field(default=0.005, ge=0, le=1, description="Clicks per labelled row, at least")
    max_click_rate: FiniteFloat = Field(default=0.6, ge=0, le=1, description="Clicks per labelled row, at most")
    max_click_rate_change: FiniteFloat = Field(
        default=0.4,
        gt=0,
        le=100,
        description="Relative change of the click rate; changes within four standard errors pass",
    )
    max_unknown_increase: FiniteFloat = Field(
        default=0.2, gt=0, le=1, description="Increase of a feature's share of rows with an unknown value, 0 to 1"
    )
    max_stability_index: FiniteFloat = Field(
        default=0.25,
        gt=0,
        le=100,
        description="Population stability index of a column; above 0.25 it is another population",
    )
    leakage_sample_rows: int = Field(
        default=500_000,
        ge=1,
        le=100_000_000,
        description="Rows of a day whose split is computed again from the id and compared",
    )
    max_calibration_error: FiniteFloat = Field(
        default=0.25, gt=0, le=100, description="|mean prediction / click rate - 1| on the test rows"
    )
    max_logloss_increase: FiniteFloat = Field(
        default=0.01,
        ge=0,
        le=100,
        description="Relative increase of a new model's logloss over the champion's, on the same rows",
    )

    @model_validator(mode="after")
    def _click_rates_are_in_order(self) -> Self:
        if self.min_click_rate > self.max_click_rate:
            raise ValueError(
                f"min_click_rate is {self.min_click_rate:g}, expected at most max_click_rate, {self.max_click_rate:g}"
            )
        return self


@dataclass(frozen=True)
class Check:
    """One check of an asset: ``look(store, day, thresholds)`` says what is there."""

    name: str
    description: str
    look: Callable[[Store, str, CheckThresholds], Finding]
    blocking: bool = True
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


def _notice(name: str, description: str, look: Callable[[Store, str, CheckThresholds], Finding]) -> Check:
    """A check whose failure somebody should see and that stops nothing."""
    return Check(name, description, look, blocking=False, severity=dg.AssetCheckSeverity.WARN)


CHECKS: Final[dict[dg.AssetsDefinition, list[Check]]] = {
    raw_impressions: [
        Check(
            "schema",
            "Every file has the columns and types of the table",
            lambda store, day, _: volume.schema_is(store, RAW_IMPRESSIONS, day, RAW_SCHEMA),
        ),
        Check(
            "every_line_accounted_for",
            "Every delivered line is in a table, or known to be a header, blank, a repeat or of another day",
            lambda store, day, _: volume.every_line_accounted_for(store, day),
        ),
        Check(
            "duplicate_rate",
            "Few rows repeat an id",
            lambda store, day, limits: volume.duplicate_rate(store, day, limits.max_duplicate_share),
        ),
        Check(
            "row_volume",
            "About as many impressions as in the week before",
            lambda store, day, limits: volume.row_volume(store, day, limits.max_row_ratio),
        ),
        Check(
            "quarantine_rate",
            "Few rows were rejected",
            lambda store, day, limits: volume.quarantine_rate(store, day, limits.max_quarantined_share),
        ),
        _notice("has_rows", "The day was delivered at all", lambda store, day, _: volume.has_rows(store, day)),
        _notice(
            "days_of_the_graph",
            "No row is of a day that no run takes",
            lambda store, day, _: volume.days_of_the_graph(store, day, *first_and_last_day()),
        ),
    ],
    impression_profile: [
        _notice(
            "population_stability",
            "No column is distributed otherwise than in the week before",
            lambda store, day, limits: distribution.population_stability(store, day, limits.max_stability_index),
        ),
    ],
    feature_vocabulary: [
        Check(
            "append_only",
            "Every id of the day before means the same value",
            lambda store, day, _: ids.append_only(store, day),
        ),
    ],
    encoded_features: [
        Check(
            "schema",
            "Every file has the columns and types of the table",
            lambda store, day, _: volume.schema_is(store, ENCODED_FEATURES, day, ENCODED_SCHEMA),
        ),
        Check(
            "click_rate",
            "The click rate is possible, and about that of the week before",
            lambda store, day, limits: distribution.click_rate(
                store, day, limits.min_click_rate, limits.max_click_rate, limits.max_click_rate_change
            ),
        ),
        Check(
            "unknown_rate",
            "No feature lost its known values (out-of-vocabulary rate)",
            lambda store, day, limits: distribution.unknown_rate(store, day, limits.max_unknown_increase),
        ),
        Check(
            "no_leakage",
            "No test row is a training row",
            lambda store, day, limits: ids.no_leakage(store, day, limits.leakage_sample_rows),
        ),
    ],
    wide_deep_model: [
        Check("finite_weights", "No weight is NaN or infinite", lambda store, day, _: model.finite_weights(store, day)),
    ],
    evaluation_metrics: [
        Check(
            "better_than_baseline",
            "Wide & Deep ranks better than both fitted baselines; promotion asks for a lower logloss besides",
            lambda store, day, _: model.better_than_baseline(store, day),
            blocking=False,
        ),
        Check(
            "calibration",
            "The mean prediction is the click rate",
            lambda store, day, limits: model.calibration(store, day, limits.max_calibration_error),
        ),
    ],
    evaluation_report: [
        Check(
            "no_worse_than_champion",
            "The model is about as good as the champion, on the rows that promotion compares them on",
            lambda store, day, limits: model.no_worse_than_champion(store, day, limits.max_logloss_increase),
            blocking=False,
        ),
    ],
    serving_model: [
        Check(
            "says_what_the_champion_says",
            "The exported file gives the champion's probabilities",
            lambda store, _, __: serving.says_what_the_champion_says(store),
        ),
    ],
    click_predictions: [
        Check(
            "every_row_predicted",
            "Every impression has a probability",
            lambda store, day, _: serving.every_row_predicted(store, day),
        ),
    ],
}


def _checks_of(asset: dg.AssetsDefinition, checks: list[Check]) -> dg.AssetChecksDefinition:
    specs = {
        check.name: dg.AssetCheckSpec(
            check.name,
            asset=asset,
            description=check.description,
            blocking=check.blocking,
            partitions_def=asset.partitions_def,
        )
        for check in checks
    }

    @dg.multi_asset_check(name=f"check_{asset.key.path[-1]}", specs=list(specs.values()), can_subset=True)
    def look(
        context: dg.AssetCheckExecutionContext, places: Places, thresholds: CheckThresholds
    ) -> Iterator[dg.AssetCheckEvaluation | dg.Output[None]]:
        store = Store(places.store_url)
        for check in checks:
            spec = specs[check.name]
            if spec.key not in context.selected_asset_check_keys:
                continue
            # One evaluation a day: AssetCheckResult knows no partition where a run has several.
            for day in sorted(context.partition_keys) if asset.partitions_def else [None]:
                finding = check.look(store, day or CURRENT, thresholds)
                tell = context.log.info if finding.passed else context.log.warning
                tell(f"{check.name} of {asset.key.path[-1]}[{day or CURRENT}]: {finding.message}")
                yield dg.AssetCheckEvaluation(
                    asset_key=spec.asset_key,
                    check_name=spec.name,
                    passed=finding.passed,
                    severity=check.severity,
                    blocking=check.blocking,
                    partition=day,
                    description=finding.message,
                    metadata=_metadata(finding),
                )
            yield dg.Output(None, output_name=spec.get_python_identifier())

    return look


def _metadata(finding: Finding) -> dict[str, dg.MetadataValue]:
    figures: dict[str, dg.MetadataValue] = {n: dg.MetadataValue.float(float(v)) for n, v in finding.figures.items()}
    if finding.table:
        columns, *rows = finding.table
        figures["table"] = dg.MetadataValue.md(markdown_table(columns, rows))
    return figures


asset_checks: Final = [_checks_of(asset, checks) for asset, checks in CHECKS.items()]

BLOCKING_BEFORE_TRAINING: Final = [
    dg.AssetCheckKey(asset.key, check.name)
    for asset in (raw_impressions, feature_vocabulary, encoded_features)
    for check in CHECKS[asset]
    if check.blocking
]
"""What must have passed on a day before a model is trained for it."""
