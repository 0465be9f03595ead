"""Names and schemas of the tables, shared by those who write them and those who read them. Pure data."""

from typing import Final

import pyarrow as pa

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
SCORED_IMPRESSIONS: Final = "scored_impressions"
EVALUATION_METRICS: Final = "evaluation_metrics"
EVALUATION_REPORT: Final = "evaluation_report"
CHAMPION_MODEL: Final = "champion_model"
CHAMPION_VALIDATION: Final = "champion_validation"
CHECKPOINTS: Final = "checkpoints"
"""No table: the folder of unfinished trainings, ``checkpoints/<table>/<partition>/<fingerprint>/``."""

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
"""Schema of ``quarantined_rows``: the file (and member), why, and the line as delivered, cut where it is long."""

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
"""Schema of ``feature_vocabulary``: one row group a feature, ordered by id."""

VOCABULARY_DESCRIPTIONS: Final = {
    "feature": "Name of the feature",
    "value": "A value of the feature; both values of a cross, joined by ×, each × within one doubled",
    "id": "Its id, from 1; the same on every later day",
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
