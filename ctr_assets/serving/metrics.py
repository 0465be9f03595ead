"""What the server counts, for Prometheus at ``/metrics``. A feature's unknown share is unknown values / rows."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter(
    "ctr_requests_total", "Requests for predictions, by protocol (v1, v2, grpc) and status", ["protocol", "code"]
)
SECONDS: Final = Histogram(
    "ctr_request_seconds",
    "Time from a request's headers to its answer",
    ["protocol"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
ROWS: Final = Counter("ctr_rows_total", "Rows that were answered")
UNKNOWN: Final = Counter(
    "ctr_unknown_values_total", "Rows that were answered whose value the model never learnt, by feature", ["feature"]
)
MODEL: Final = Gauge("ctr_model_info", "1 for the champion that answers: its day and version", ["day", "version"])
REFUSED: Final = Counter("ctr_model_refused_total", "Models that were not used: damaged, or not what they should say")
STORE_ANSWERED: Final = Gauge(
    "ctr_store_last_answer_timestamp_seconds", "When the store last answered which model is committed"
)


def count_rows(rows: int, unknown: Mapping[str, int]) -> None:
    """``unknown``: of how many of the rows the value of a feature was never learnt."""
    ROWS.inc(rows)
    for feature, count in unknown.items():
        if count:
            UNKNOWN.labels(feature).inc(count)


def tell_model(day: str, version: str) -> None:
    """From now on this model answers."""
    others = [sample.labels for metric in MODEL.collect() for sample in metric.samples]
    MODEL.labels(day, version).set(1)
    for labels in others:
        if labels != {"day": day, "version": version}:
            MODEL.remove(labels["day"], labels["version"])
