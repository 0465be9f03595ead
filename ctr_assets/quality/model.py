"""Whether a model may be trusted: its weights, and how it does beside the baselines and the champion."""

from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.scored import GBT, LOGISTIC, NAMES, WIDE_DEEP, RowsOf
from ctr_assets.quality.finding import Finding
from ctr_assets.storage import Store
from ctr_assets.tables import EVALUATION_METRICS, EVALUATION_REPORT, WIDE_DEEP_MODEL, how_to_materialize


def finite_weights(store: Store, day: str) -> Finding:
    """No weight is NaN or infinite."""
    count = int(store.manifest(WIDE_DEEP_MODEL, day).properties["nonfinite_weights"])
    return Finding(count == 0, f"{count:,} weights are NaN or infinite; expected none", {"nonfinite_weights": count})


def better_than_baseline(store: Store, day: str) -> Finding:
    """ROC AUC of Wide & Deep above those of the fitted baselines, on the same test rows. A constant's is 0.5."""
    figures = _figures(store, day)
    model, baselines = figures[WIDE_DEEP]["roc_auc"], {name: figures[name]["roc_auc"] for name in (GBT, LOGISTIC)}
    defined = {name: roc_auc for name, roc_auc in baselines.items() if roc_auc is not None}
    if model is None or len(defined) < len(baselines):
        return Finding(True, "the test rows are of one class only: ROC AUC is undefined")
    against = " and ".join(f"{roc_auc:.4f} of the {NAMES[name]}" for name, roc_auc in defined.items())
    numbers = {f"{name}_roc_auc": roc_auc for name, roc_auc in defined.items()}
    message = f"ROC AUC {model:.4f} against {against}; expected more than each"
    return Finding(model > max(defined.values()), message, {"roc_auc": model, **numbers})


def calibration(store: Store, day: str, max_error: float) -> Finding:
    """Mean prediction divided by click rate, on the test rows: within ``1 ± max_error``."""
    ratio = _figures(store, day)[WIDE_DEEP]["calibration_ratio"]
    if ratio is None:
        return Finding(True, "no test row was clicked: calibration is undefined")
    expected = f"expected {1 - max_error:.2f} to {1 + max_error:.2f}"
    message = f"mean prediction is {ratio:.3f} x the click rate; {expected}"
    return Finding(abs(ratio - 1) <= max_error, message, {"calibration_ratio": ratio})


def no_worse_than_champion(store: Store, day: str, max_increase: float) -> Finding:
    """The day's model beside the champion, as the report compared them: no worse by more than ``max_increase``.

    The increase of the logloss is relative, and held against the model only where it is more than chance.
    """
    properties = store.manifest(EVALUATION_REPORT, day).properties
    if "comparison" not in properties:
        return Finding(
            True, f"the report is older than comparisons: {how_to_materialize(EVALUATION_REPORT, day)} again"
        )
    comparison = Comparison.from_properties(properties["comparison"])
    if comparison is None:
        return Finding(True, "the report compares the model with no other champion")
    figures = {
        "logloss": comparison.candidate,
        "champion_logloss": comparison.champion,
        "increase": comparison.increase,
    }
    if comparison.standard_error is not None:
        figures["standard_error"] = comparison.standard_error
    message = f"{comparison.text}; expected at most {max_increase:+.2%}, or no more than chance"
    return Finding(not comparison.is_worse(max_increase), message, figures)


def _figures(store: Store, day: str) -> dict[str, dict[str, float | None]]:
    metrics: dict[str, dict[str, dict[str, float | None]]] = store.manifest(EVALUATION_METRICS, day).properties[
        "metrics"
    ]
    return metrics[RowsOf.TEST.value]
