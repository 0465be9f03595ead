"""Configuration of the logistic baseline. Imports no engine, so the launchpad can show it."""

from pydantic import BaseModel, ConfigDict, Field


class LogisticConfig(BaseModel):
    """Settings of scikit-learn's SGDClassifier with the logistic loss and averaged weights (Polyak and Juditsky 1992).

    Chosen on genuine rows (16,442 of 2014-10-21, then all of the 22nd) and on demo rows (116,594 of nine days, then the
    tenth): AUC 0.7067 and 0.7112, logloss 0.4036 and 0.4008. ``LogisticRegression`` (lbfgs) on the same features, its C
    chosen on the validation rows, has 0.7059 and 0.7106, 0.4052 and 0.4015. Steps of 0.03 end 0.001 worse: each row
    moves 28 weights at once, and the average of steps so large is not the optimum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    epochs: int = Field(default=40, ge=1, le=1000, description="Most passes over the training rows of the window")
    tolerance: float = Field(
        default=2e-5,
        ge=0,
        le=1,
        description="Passes end at the first that lowers the validation logloss by less than this, nats a row",
    )
    learning_rate: float = Field(
        default=0.01, gt=0, le=0.1, description="Step size of each row on the weights of its ids (no unit)"
    )
    prior_variance: float = Field(
        default=0.2,
        ge=1e-4,
        le=1e4,
        description="Variance of the weights' Gaussian prior (no unit): C of scikit-learn's LogisticRegression",
    )
    seed: int = Field(default=2014, ge=0, lt=2**31, description="Seed of the shuffling")
