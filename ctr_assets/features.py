"""The feature specification: raw columns, features with their roles, and the presets of the model. Pure data.

A *feature* is one raw column (``site_id``), one derived column (``hour_of_day``) or a cross of two of them. It has one
vocabulary and one int32 column in ``encoded_features``. Its *role* says which parts of the model read that column: the
wide one, the deep one or both, which then read the same ids.
"""

from enum import StrEnum, unique
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

UNKNOWN_ID: Final = 0
"""Id of every value that the vocabulary does not hold."""

RAW_COLUMNS: Final[dict[str, str]] = {
    "id": "Impression identifier: up to 20 digits, so a string (it does not fit a signed 64-bit integer)",
    "click": "1 when the impression was clicked, 0 when not, null when unlabelled",
    "hour": "Hour of the impression, UTC (YYMMDDHH in the landing files)",
    "C1": "Anonymised category",
    "banner_pos": "Position of the banner on the page",
    "site_id": "Site that showed the impression",
    "site_domain": "Domain of the site",
    "site_category": "Category of the site",
    "app_id": "Application that showed the impression",
    "app_domain": "Domain of the application",
    "app_category": "Category of the application",
    "device_id": "Device; one value stands for all devices without an identifier",
    "device_ip": "Address of the device",
    "device_model": "Model of the device",
    "device_type": "Type of the device",
    "device_conn_type": "Type of the device's connection",
    **{f"C{i}": "Anonymised category" for i in range(14, 22)},
}
ID_COLUMN: Final = "id"
LABEL_COLUMN: Final = "click"
HOUR_COLUMN: Final = "hour"
SUBMISSION_COLUMNS: Final = (ID_COLUMN, LABEL_COLUMN)
"""All that a submission to the competition has: the prediction stands where the label does."""
CATEGORICAL_COLUMNS: Final = tuple(c for c in RAW_COLUMNS if c not in (ID_COLUMN, LABEL_COLUMN, HOUR_COLUMN))
HOUR_OF_DAY: Final = "hour_of_day"
DEVICE: Final = "device_ip"
"""The feature that tells devices apart: four impressions in five share one ``device_id``, that of devices without."""

NO_SITE: Final = "85f751fd"
"""``site_id`` of an impression shown in an app."""
NO_APP: Final = "ecad2386"
"""``app_id`` of an impression shown on a site.

Avazu does not document its hashes, but its counts tell. Of the 40,428,967 rows of the train file 14,596,137 have the
one value and 25,832,830 the other: every row has exactly one of them (value counts of ``demo/published.json``).
"""


@unique
class Split(StrEnum):
    """What a row is used for. A row's split depends on nothing but the row (see ``ctr_assets.split``)."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    UNLABELLED = "unlabelled"

    @property
    def code(self) -> int:
        """The int8 value stored in ``encoded_features.split``."""
        return list(Split).index(self)


class Feature(BaseModel):
    """One feature: what it is made of, when a value earns an id, and which parts of the model read it."""

    model_config = ConfigDict(frozen=True)

    name: str
    columns: tuple[str, ...]
    min_count: int
    wide: bool
    deep: bool

    @property
    def is_cross(self) -> bool:
        return len(self.columns) == 2

    @property
    def description(self) -> str:
        roles = " and ".join(part for part, read in (("wide", self.wide), ("deep", self.deep)) if read)
        return f"Vocabulary id of {' × '.join(self.columns)} ({roles} part); {UNKNOWN_ID} is unknown"


def _single(name: str, min_count: int = 1, *, wide: bool) -> Feature:
    return Feature(name=name, columns=(name,), min_count=min_count, wide=wide, deep=True)


def _cross(first: str, second: str) -> Feature:
    return Feature(name=f"{first}_x_{second}", columns=(first, second), min_count=1, wide=True, deep=False)


_WIDE_SINGLES = (
    *("C1", "banner_pos", "site_category", "app_category", "device_type", "device_conn_type"),
    *("C15", "C16", "C18", "C19", "C21", HOUR_OF_DAY),
)
_CROSSES = (
    (HOUR_OF_DAY, "device_type"),
    (HOUR_OF_DAY, "app_category"),
    (HOUR_OF_DAY, "site_category"),
    ("banner_pos", "device_type"),
    ("device_type", "app_category"),
    ("device_type", "site_category"),
)
# Values seen this rarely teach a model nothing but themselves: a device_ip seen once is 40 % of its distinct values.
_DEEP_MIN_COUNTS = {
    **dict.fromkeys(("site_id", "site_domain", "app_id", "app_domain"), 2),
    **dict.fromkeys(("device_id", "device_ip"), 10),
    "device_model": 2,
    **dict.fromkeys(("C14", "C17", "C20"), 1),
}

FEATURES: Final[tuple[Feature, ...]] = (
    *(_single(name, wide=True) for name in _WIDE_SINGLES),
    *(_cross(*pair) for pair in _CROSSES),
    *(_single(name, count, wide=False) for name, count in _DEEP_MIN_COUNTS.items()),
)
FEATURE_BY_NAME: Final = {feature.name: feature for feature in FEATURES}
BASE_COLUMNS: Final = (*(c for c in CATEGORICAL_COLUMNS), HOUR_OF_DAY)
"""The columns that features are made of, before crossing."""

LONG_FEATURES: Final = ("device_id", "device_ip")
"""Features with millions of values: those of a profile are counted in buckets, never gathered in one process."""


class FeatureSelection(BaseModel):
    """Which features a model reads: the wide names, and the embedding dimension of each deep name.

    ``wide_max_distinct``: when set, a wide feature whose vocabulary holds more values than this is left out.
    """

    model_config = ConfigDict(frozen=True)

    preset: Literal["default", "original"]
    wide: tuple[str, ...]
    deep: dict[str, int]
    wide_max_distinct: int | None = None

    def wide_within(self, vocabulary_sizes: dict[str, int]) -> tuple[str, ...]:
        """The wide features to use, given the number of values of each feature's vocabulary."""
        limit = self.wide_max_distinct
        return tuple(name for name in self.wide if limit is None or vocabulary_sizes[name] <= limit)


_DEFAULT: Final = FeatureSelection(
    preset="default",
    wide=tuple(f.name for f in FEATURES if f.wide),
    deep={f.name: 16 for f in FEATURES if f.deep},
)
FEATURE_SELECTIONS: Final = {
    "default": _DEFAULT,
    "gpu": _DEFAULT,
    # The original study: fields and crosses with at most 100 distinct values; five label-encoded fields.
    "original": FeatureSelection(
        preset="original",
        wide=tuple(f.name for f in FEATURES if f.wide),
        deep={"device_model": 256, "app_id": 256, "site_id": 256, "site_domain": 256, "app_domain": 128},
        wide_max_distinct=100,
    ),
}
