"""The metadata contract: every key that a materialization of an asset carries, with what it means and its unit.

A key in ``OPTIONAL`` is left out where it is undefined (one class only, no next day, no champion yet).
"""

import re
from typing import Final

from ctr_assets.evaluation.scored import BASELINES, MODELS, NAMES

_TABLE: Final = {
    "dagster/row_count": "rows of the table",
    "bytes": "size of its files, bytes",
    "files": "number of its files",
    "seconds": "wall time of the job; a range run reports its own time with each of its days",
    "rows_per_second": "rows of the whole job a second",
    "version": "the committed version",
    "content_fingerprint": "SHA-256 over the files: equal data, equal fingerprint",
    "path": "where the version is",
}
_LINEAGE: Final = {"dagster/column_lineage": "the columns that each column is made of"}
_METRICS: Final = {
    "rows": "scored rows",
    "clicks": "clicked rows",
    "roc_auc": "area under the ROC curve, 0 to 1",
    "logloss": "mean negative log-likelihood, nats a row",
    "normalized_entropy": "logloss divided by the entropy of the rows' own click rate",
    "pr_auc": "average precision, 0 to 1",
    "calibration_ratio": "mean prediction divided by click rate; 1 is calibrated",
    "expected_calibration_error": "mean |prediction - click rate| over bins of equal mass",
}
_PICTURES: Final = ("roc", "precision_recall", "reliability", "score_distribution")


def _numbers_of(rows_of: str) -> dict[str, str]:
    return {
        f"{rows_of}/{model}/{metric}": f"{meaning} ({model} on {rows_of} rows)"
        for model in MODELS
        for metric, meaning in _METRICS.items()
    }


def _pictures_of(rows_of: str) -> dict[str, str]:
    return {f"{rows_of}/{name}": f"picture of {rows_of} rows" for name in _PICTURES}


REPORTED_MODELS: Final = (
    *("challenger", "champion"),
    *(NAMES[model].replace(" ", "_") for model in BASELINES),
    "best_reachable",
)
_FIRST_FIGURES: Final = {
    "logloss": "mean negative log-likelihood, nats a row",
    "logloss_standard_error": "of the same, with hours and devices as clusters",
    "roc_auc": "area under the ROC curve, 0 to 1",
    "roc_auc_standard_error": "of the same",
}
_COST: Final = {
    "core_seconds": "CPU cores that the job asked for times its seconds, waiting for nodes included, in a queue not",
    "gpu_seconds": "the same of GPUs",
    "external_job": "the SparkApplication or PyTorchJob, on a cluster",
}
_REPORTED: Final[dict[str, dict[str, str]]] = {
    "raw_impressions": {
        **_TABLE,
        "quarantined_rows": "rejected rows of the day",
        "undated_quarantined_rows": "rejected rows of the archives whose day cannot be told",
        "duplicate_rows": "rows left out because their id came before",
        "outside_rows": "rows of its files that are of days outside the graph, and therefore left out",
        "quarantine_path": "where the rejected rows are",
        "line_account": "what became of every line of each file that may hold the day",
        "left_out": "delivered files and members that hold no impressions, and why they were not read",
    },
    "impression_profile": {
        **_TABLE,
        "impressions": "impressions of the day",
        "clicks": "clicked impressions",
        "click_rate": "clicks divided by labelled impressions",
        "cardinality": "distinct values of each column",
        "cardinality_plot": "picture of the same",
        "click_rates": "picture: impressions and click rate by hour and by frequent value",
        "top_values": "most frequent values of the long columns",
    },
    "feature_vocabulary": {
        **_TABLE,
        "new_values": "values that got an id this day, all features",
        "chain_fingerprint": "fingerprint of this vocabulary and all before it",
        "sizes": "values of each feature, and those new this day",
        **_LINEAGE,
    },
    "encoded_features": {
        **_TABLE,
        "train_rows": "rows to learn from",
        "validation_rows": "rows for early stopping",
        "test_rows": "rows for the metrics",
        "unlabelled_rows": "rows without a label",
        "clicks": "clicked rows",
        "bytes_per_row": "size on disk, bytes a row",
        "unknown_share": "share of rows with an unknown value, by feature",
        "mean_unknown_share": "mean of the same",
        "unknown_shares": "picture: the same over the week's days, of the features that are known least",
        **_LINEAGE,
    },
    "wide_deep_model": {
        "start": "`continued` from the model of the day before, or from `scratch` on the window",
        "start_reason": "why",
        "validation_logloss": "of the kept epoch, nats a row",
        "validation_auc": "of the kept epoch",
        "train_logloss": "of the kept epoch, nats a row",
        "training_curve": "picture: logloss by epoch",
        "continued_from": "the version of the day before's model that it went on from",
        "continued_days": "days that the model has gone on for since it began from scratch",
        "learnt_days": "days that it has learnt from, those of the models that it went on from included",
        "best_epoch": "the kept epoch, from 1",
        "epochs": "epochs run",
        "dagster/row_count": "training rows of this training",
        "seconds": "wall time of the training",
        "rows_per_second": "training rows a second, all epochs",
        "parameters": "trained weights",
        "nonfinite_weights": "weights that are NaN or infinite; a usable model has none",
        "device": "cpu or cuda",
        "version": "the committed version",
        "path": "where the version is",
    },
    "gbt_baseline": {
        **_TABLE,
        "trees": "trees of the ensemble",
        "max_depth": "their greatest depth",
        "base_rate": "click rate of the training rows",
        "feature_importances": "share of each feature in the splits' gain",
    },
    "logistic_baseline": {
        **_TABLE,
        "dagster/row_count": "training rows of the window",
        "rows_per_second": "training rows a second, all passes",
        "train_logloss": "of the kept pass, nats a row, each batch before it was learnt from",
        "validation_logloss": "of the kept pass, nats a row",
        "validation_auc": "of the kept pass",
        "best_pass": "the kept pass, from 1",
        "passes": "passes over the training rows",
        "weights": "one an id, and the intercept",
        "base_rate": "click rate of the training rows",
    },
    "evaluation_metrics": {
        **_numbers_of("next_day"),
        **_numbers_of("test"),
        **_pictures_of("next_day"),
        **_pictures_of("test"),
        "summary": "all figures as a table",
        "next_day": "the next day, or why its rows are left out",
        "base_rate": "the constant that the constant baseline predicts",
        **_TABLE,
    },
    "evaluation_report": {
        "verdict": "what champion_model's rule says, against the champion as it is",
        "champion_day": "day of that champion, or none",
        "judged_on": "the rows of the following figures: the next day's where they are scored, else the test rows",
        **{f"{model}/{figure}": meaning for model in REPORTED_MODELS for figure, meaning in _FIRST_FIGURES.items()},
        "app/calibration_ratio": "mean prediction divided by click rate on app traffic (wide_deep)",
        "site/calibration_ratio": "mean prediction divided by click rate on site traffic (wide_deep)",
        "path": "the HTML file, complete in itself",
        "report": "the report, with its main pictures",
        "model_card": "what the model learnt from, what it knows, how good it is, and its limits",
        "feature_importance": "picture: increase of the logloss when a feature of wide_deep is shuffled",
        "segments": "figures by traffic, device type, hour of day and banner position",
        **{key: meaning for key, meaning in _TABLE.items() if key != "path"},
        "dagster/row_count": "test rows that the report is about",
        "rows_per_second": "test rows a second",
    },
    "champion_model": {
        "decision": "in one sentence",
        "promoted": "whether the candidate became the champion",
        "candidate_day": "day of the candidate",
        "champion_day": "day of the champion before the decision",
        "candidate_logloss": "nats a row",
        "champion_logloss": "nats a row, on the same rows",
        "logloss_difference": "the candidate's less the champion's, nats a row",
        "standard_error": "of the difference, with hours and devices as clusters",
        "rows": "rows of the comparison",
        "compared_on": "which rows those are",
        **{
            f"{model}_logloss": "nats a row, on the evaluated rows: the next day's where there are any, else the test's"
            for model in BASELINES
        },
        "reasons": "what was compared",
        "version": "version of the champion after the decision",
        "path": "where it is",
    },
    "serving_model": {
        "day": "day of the champion",
        "model_version": "version of its wide_deep_model",
        "opset": "of ONNX, that a runtime must know",
        "compared_rows": "test rows that were scored twice: as raw strings by the file, encoded by the champion",
        "greatest_difference": "of two probabilities of one row",
        "model_bytes": "size of the file",
        "load_seconds": "until the file was ready to answer",
        "microseconds_of_1": "of a call of one row, median",
        "microseconds_of_1000": "of a call of 1,000 rows, median",
        "seconds": "wall time of the job",
        "version": "the committed version; the same as before where the champion and its figures are",
        "path": "the ONNX file",
        "model_card": "how to ask it, what it learnt from, what it knows, how good it is, and its limits",
    },
    "click_predictions": {
        **_TABLE,
        "champion_day": "day of the champion that predicted",
        "undefined_rows": "probabilities that are NaN",
        "submission": "of a day without labels: the file in the form of Kaggle's competition",
    },
    "champion_validation": {
        **{f"champion/{metric}": f"{meaning} (champion on these rows)" for metric, meaning in _METRICS.items()},
        **{f"candidate/{metric}": f"{meaning} (candidate on these rows)" for metric, meaning in _METRICS.items()},
        "candidate_day": "day of the newest model that is not the champion",
        "comparison": "the candidate beside the champion, in one sentence",
        "logloss_difference": "the candidate's logloss less the champion's, nats a row",
        "standard_error": "of the difference, with hours and devices as clusters",
        "normalized_entropy_increase": "normalized entropy divided by the reference, minus 1",
        "calibration_ratio": "as champion/calibration_ratio, for a chart beside the increase",
        "note": "why nothing was scored",
        "champion_day": "day of the champion, or none",
        "champion_version": "version of its wide_deep_model, or none",
        "rows_of": "all: labelled rows of a day after the champion's; test: the test split of an earlier day; or none",
        "reference/normalized_entropy": "the champion's own on its test rows at its promotion",
        "reference/calibration_ratio": "the champion's own on its test rows at its promotion",
        "reliability": "picture: click rate over mean prediction",
        **_TABLE,
        "dagster/row_count": "scored rows",
    },
}
METADATA: Final = {asset: {**keys, **_COST} for asset, keys in _REPORTED.items()}
"""Asset -> metadata key -> meaning. The job reports them, but for the cost, which its launcher adds."""

_OPTIONAL: Final[dict[str, set[str]]] = {
    "wide_deep_model": {"validation_auc", "continued_from"},
    "logistic_baseline": {"validation_auc"},
    "evaluation_metrics": {key for key in _REPORTED["evaluation_metrics"] if key.startswith(("next_day/", "test/"))},
    "evaluation_report": {
        *("feature_importance", "judged_on"),
        *(key for key in _REPORTED["evaluation_report"] if "/" in key and key != "dagster/row_count"),
    },
    "champion_model": {
        *("champion_logloss", "logloss_difference", "standard_error", "compared_on", "version", "path"),
    },
    "click_predictions": {"submission"},
    "champion_validation": {
        *("note", "normalized_entropy_increase", "calibration_ratio", "reliability"),
        *("candidate_day", "comparison", "logloss_difference", "standard_error"),
        *(f"candidate/{metric}" for metric in _METRICS),
        *(f"champion/{metric}" for metric in _METRICS),
        *("reference/normalized_entropy", "reference/calibration_ratio"),
    },
}
OPTIONAL: Final = {asset: {*_OPTIONAL.get(asset, ()), "external_job"} for asset in METADATA}


def told_as_patterns() -> dict[str, dict[str, str]]:
    """The contract with the figures of all models and row sets as one key: ROWS/MODEL/logloss, CONTESTANT/logloss."""
    metrics = {f"ROWS/MODEL/{metric}": meaning for metric, meaning in _METRICS.items()}
    pictures = {f"ROWS/{name}": "picture" for name in _PICTURES}
    evaluated = {k: v for k, v in METADATA["evaluation_metrics"].items() if not k.startswith(("test/", "next_day/"))}
    reported = METADATA["evaluation_report"].items()
    names = re.compile(rf"^({'|'.join(REPORTED_MODELS)})/")
    return {
        **METADATA,
        "evaluation_metrics": {**metrics, **pictures, **evaluated},
        "evaluation_report": {names.sub("CONTESTANT/", key): meaning for key, meaning in reported},
    }
