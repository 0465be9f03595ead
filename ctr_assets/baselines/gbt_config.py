"""Configuration of the GBT baseline. Imports no engine, so the launchpad can show it."""

from pydantic import BaseModel, ConfigDict, Field


class GbtConfig(BaseModel):
    """Settings of Spark ML's GBTClassifier. Spark's defaults but for two: a yardstick that is tuned moves.

    ``max_bins`` is as large as the fields ask, and a leaf holds 300 rows, not 1: with leaves of one row the logloss on
    few rows is above that of a constant rate. Fitted on genuine rows of 2014-10-21, on the 22nd (constant: 0.4407):

    ======  ============  =================  ==================
    rows    leaves of 1   leaves of 100      leaves of 300
    ======  ============  =================  ==================
    1,000   0.5630        0.4481             0.4357
    4,000   0.4867        0.4323             0.4252
    16,442  0.4236        0.4143             0.4133
    ======  ============  =================  ==================

    On demo rows (116,594 of nine days) the test logloss went from 0.4121 to 0.4105, that of the tenth day from 0.4103
    to 0.4095. A ``step_size`` of 0.3 is no better on either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    max_iter: int = Field(default=20, ge=1, le=500, description="Trees in the ensemble")
    max_depth: int = Field(default=5, ge=1, le=15, description="Depth of a tree; 5 gives at most 32 leaves")
    step_size: float = Field(default=0.1, gt=0, le=1, description="Shrinkage of each tree after the first")
    max_bins: int = Field(
        default=128,
        ge=2,
        le=1024,
        description="Candidate splits of a field. A field with fewer values is split by sets of values, not by order; "
        "128 covers every wide field (site_category, app_category, C19 and C21 exceed Spark's default of 32)",
    )
    min_instances_per_node: int = Field(
        default=300,
        ge=1,
        le=1_000_000,
        description="Fewest training rows of a leaf: a split that leaves fewer on a side is not made",
    )
    subsampling_rate: float = Field(default=1.0, gt=0, le=1, description="Share of the rows each tree is grown on")
    seed: int = Field(default=2014, ge=0, lt=2**31, description="Seed of the subsampling")
    max_rows: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000_000,
        description="Cap of the training rows, drawn at random by seed. None: all rows, as the Wide & Deep model",
    )
