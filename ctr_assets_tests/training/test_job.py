import base64
from collections.abc import Mapping
from typing import Any

from ctr_assets.jobs import wide_deep_model
from ctr_assets.jobs.report import Report
from ctr_assets.storage import Store
from ctr_assets.tables import WIDE_DEEP_MODEL
from ctr_assets_tests.training.conftest import DAYS


class RecordingReport:
    """Keeps what a job said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.partitions: dict[str, Mapping[str, Any]] = {}

    def log(self, message: str) -> None:
        self.lines.append(message)

    def partition(self, partition: str, metadata: Mapping[str, Any]) -> None:
        self.partitions[partition] = metadata


def test_the_job_commits_a_model_and_reports_it(store: Store) -> None:
    params = wide_deep_model.Params.model_validate(
        {
            "store_url": store.url,
            "day": DAYS[-1],
            "window": DAYS,
            "training": {"preset": "original", "epochs": 2, "hidden": [8]},
            "created_by": {"run": "r1"},
        }
    )
    recorded = RecordingReport()
    report: Report = recorded
    wide_deep_model.run(params, report)
    manifest = store.manifest(WIDE_DEEP_MODEL, DAYS[-1])
    assert manifest.created_by["run"] == "r1"
    (metadata,) = recorded.partitions.values()
    assert list(recorded.partitions) == [DAYS[-1]]
    assert (metadata["start"], metadata["start_reason"]) == ("scratch", "training.start is scratch")
    assert set(metadata) == {
        *("start", "start_reason", "continued_days", "learnt_days"),
        "dagster/row_count",
        "train_logloss",
        "validation_logloss",
        "validation_auc",
        "best_epoch",
        "epochs",
        "seconds",
        "rows_per_second",
        "parameters",
        "nonfinite_weights",
        "device",
        "version",
        "path",
        "training_curve",
    }
    assert metadata["version"] == manifest.version
    assert metadata["dagster/row_count"] == manifest.properties["train_rows"]
    assert metadata["epochs"] == 2
    assert metadata["nonfinite_weights"] == manifest.properties["nonfinite_weights"] == 0
    png = metadata["training_curve"]["raw_value"].split("base64,")[1].rstrip(")")
    assert base64.b64decode(png).startswith(b"\x89PNG")
    assert len(recorded.lines) == 3
