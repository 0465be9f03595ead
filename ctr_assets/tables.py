"""Names and schemas of the tables, shared by those who write them and those who read them. Pure data."""

from typing import Final

import pyarrow as pa

from ctr_assets.days import is_day
from ctr_assets.features import CATEGORICAL_COLUMNS, FEATURES, RAW_COLUMNS

RAW_IMPRESSIONS: Final = "raw_impressions"
QUARANTINE: Final = "quarantined_rows"
LINE_ACCOUNT: Final = "line_account"
"""Property of a raw manifest: what became of every line of the files that may hold the day (``etl.account``)."""
IMPRESSION_PROFILE: Final = "impression_profile"
FEATURE_VOCABULARY: Final = "feature_vocabulary"
ENCODED_FEATURES: Final = "encoded_features"
WIDE_DEEP_MODEL: Final = "wide_deep_model"
GBT_BASELINE: Final = "gbt_baseline"
LOGISTIC_BASELINE: Final = "logistic_baseline"
SCORED_IMPRESSIONS: Final = "scored_impressions"
EVALUATION_METRICS: Final = "evaluation_metrics"
EVALUATION_REPORT: Final = "evaluation_report"
CHAMPION_MODEL: Final = "champion_model"
CHAMPION_VALIDATION: Final = "champion_validation"
SERVING_MODEL: Final = "serving_model"
CLICK_PREDICTIONS: Final = "click_predictions"
CHECKPOINTS: Final = "checkpoints"
"""No table: the folder of unfinished trainings, ``checkpoints/<table>/<partition>/<fingerprint>/``."""

FITTED_BASELINES: Final = (GBT_BASELINE, LOGISTIC_BASELINE)
"""The models that Wide & Deep is held against."""

UNDATED: Final = "undated"
"""Partition of ``quarantined_rows`` for rows in an archive whose day cannot be told."""
CURRENT: Final = "current"
"""The one partition of ``champion_model`` and of ``serving_model``."""

MADE_FROM: Final[dict[str, tuple[str, ...]]] = {
    RAW_IMPRESSIONS: (),
    QUARANTINE: (),
    IMPRESSION_PROFILE: (RAW_IMPRESSIONS,),
    FEATURE_VOCABULARY: (RAW_IMPRESSIONS, FEATURE_VOCABULARY),
    ENCODED_FEATURES: (RAW_IMPRESSIONS, FEATURE_VOCABULARY),
    WIDE_DEEP_MODEL: (FEATURE_VOCABULARY, ENCODED_FEATURES, WIDE_DEEP_MODEL),
    GBT_BASELINE: (FEATURE_VOCABULARY, ENCODED_FEATURES),
    LOGISTIC_BASELINE: (FEATURE_VOCABULARY, ENCODED_FEATURES),
    SCORED_IMPRESSIONS: (WIDE_DEEP_MODEL, *FITTED_BASELINES, FEATURE_VOCABULARY, ENCODED_FEATURES),
    EVALUATION_METRICS: (WIDE_DEEP_MODEL, *FITTED_BASELINES, FEATURE_VOCABULARY, ENCODED_FEATURES, SCORED_IMPRESSIONS),
    EVALUATION_REPORT: (WIDE_DEEP_MODEL, EVALUATION_METRICS, CHAMPION_MODEL),
    CHAMPION_MODEL: (WIDE_DEEP_MODEL, EVALUATION_METRICS),
    CHAMPION_VALIDATION: (ENCODED_FEATURES, CHAMPION_MODEL, WIDE_DEEP_MODEL),
    SERVING_MODEL: (CHAMPION_MODEL, FEATURE_VOCABULARY),
    CLICK_PREDICTIONS: (CHAMPION_MODEL, RAW_IMPRESSIONS, ENCODED_FEATURES),
}
"""Table → the tables whose versions its manifests may name as inputs. Every table is a key."""

_NAMED: Final = {
    **dict.fromkeys(MADE_FROM, ()),
    QUARANTINE: (UNDATED,),
    CHAMPION_MODEL: (CURRENT,),
    SERVING_MODEL: (CURRENT,),
}
"""Partitions that are no days."""
_WITHOUT_DAYS: Final = (CHAMPION_MODEL, SERVING_MODEL)
_WRITTEN_WITH: Final = {QUARANTINE: RAW_IMPRESSIONS, SCORED_IMPRESSIONS: EVALUATION_METRICS}
"""Tables that are no assets of their own, and the asset that writes them."""

RAW_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("click", pa.int8()),
        pa.field("hour", pa.timestamp("ms", tz="UTC"), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in CATEGORICAL_COLUMNS),
    ]
)
"""Schema of ``raw_impressions``; every categorical column is a string, dictionary-encoded on disk."""

QUARANTINE_SCHEMA: Final = pa.schema([("file", pa.string()), ("reason", pa.string()), ("row_text", pa.string())])
"""Schema of ``quarantined_rows``: lines that are no impressions."""

QUARANTINE_DESCRIPTIONS: Final = {
    "file": "File, and member of an archive, that the line is in",
    "reason": "Why it was rejected",
    "row_text": "The line as delivered, cut where it is long",
}

ENCODED_SCHEMA: Final = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("label", pa.int8()),
        pa.field("split", pa.int8(), nullable=False),
        *(pa.field(feature.name, pa.int32(), nullable=False) for feature in FEATURES),
    ]
)
"""Schema of ``encoded_features``.

File k of a day holds the rows of file k of the ``raw_impressions`` version named in the manifest's inputs; ``row`` is
the position there. Rows are ordered by ``split`` (stable) and a row group holds rows of one split only, so the
Parquet statistics of ``split`` tell which row groups to read.
"""

VOCABULARY_SCHEMA: Final = pa.schema(
    [
        pa.field("feature", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("id", pa.int32(), nullable=False),
    ]
)
"""Schema of ``feature_vocabulary``: the values that got an id on the day, one row group a feature, ordered by id."""

VOCABULARY_DESCRIPTIONS: Final = {
    "feature": "Name of the feature",
    "value": "A value that got its id on the day; both values of a cross, joined by ×, each × within one doubled",
    "id": "Its id, from 1; the same on every later day",
}

PREDICTIONS_SCHEMA: Final = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("click_probability", pa.float32(), nullable=False)]
)
"""Schema of ``click_predictions``: file k of a day is of the rows of file k of its ``raw_impressions``, in order."""

PREDICTIONS_DESCRIPTIONS: Final = {
    "id": RAW_COLUMNS["id"],
    "click_probability": "The champion's click probability, 0 to 1",
}

PROFILE_SCHEMA: Final = pa.schema(
    [
        pa.field("column", pa.string()),
        pa.field("rank", pa.int32()),
        pa.field("value", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("labelled_rows", pa.int64()),
        pa.field("clicks", pa.int64()),
    ]
)
"""Schema of ``impression_profile``: the most frequent values of each column, ``rank`` 1 the most frequent."""

PROFILE_DESCRIPTIONS: Final = {
    "column": "Name of the raw column, or hour_of_day",
    "rank": "Position of the value by number of impressions, from 1",
    "value": "The value",
    "rows": "Impressions with that value",
    "labelled_rows": "Those of them that have a label",
    "clicks": "Those of them that were clicked",
}

ENCODED_ROW_GROUP_ROWS: Final = 65_536
"""Rows of a full row group: small enough to shuffle by row group, large enough to compress."""

ENCODED_DESCRIPTIONS: Final = {
    "row": "Position of the row in the raw_impressions file of the same index",
    "label": RAW_COLUMNS["click"],
    "split": "0 train, 1 validation (part of the training rows), 2 test, 3 unlabelled",
    **{feature.name: feature.description for feature in FEATURES},
}


def columns_of(schema: pa.Schema) -> dict[str, str]:
    """Column names and types as a manifest records them."""
    return {field.name: str(field.type) for field in schema}


def has_partition(table: str, partition: str) -> bool:
    """Whether a table can have such a partition. A table that is not ours may have any."""
    return table not in MADE_FROM or partition in _NAMED[table] or (table not in _WITHOUT_DAYS and is_day(partition))


def check_partition(table: str, partition: str) -> None:
    """Raise ValueError when a table cannot have such a partition."""
    if not has_partition(table, partition):
        expected = [*([] if table in _WITHOUT_DAYS else ["a day, YYYY-MM-DD"]), *_NAMED[table]]
        raise ValueError(f"{table} has no partition {partition!r}: expected {' or '.join(expected)}")


def how_to_materialize(table: str, partition: str) -> str:
    """What a person does to get a partition of a table: the words that errors end with."""
    days = "" if partition in (CURRENT, UNDATED) else f" for {partition}"
    return f"materialize {_WRITTEN_WITH.get(table, table)}{days}"
