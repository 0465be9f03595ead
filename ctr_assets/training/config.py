"""What a training is told: one typed configuration and its presets. Importable without torch."""

import math
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Preset = Literal["default", "original", "gpu"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda"]
RowOptimizerName = Literal["adam", "adagrad"]
Start = Literal["auto", "scratch"]
STEPS_PER_EPOCH: Final = 1_000
SMALLEST_BATCH: Final = 256
LARGEST_BATCH: Final = 4_096
Units = Annotated[int, Field(ge=1, le=16_384)]

# The original study's figures. Its embeddings and wide weights were trained by the same Adam as the rest.
_ORIGINAL: Final[dict[str, Any]] = {
    "hidden": [512, 256, 128],
    "wide_dropout": 0.7,
    "learning_rate": 1e-3,
    "embedding_learning_rate": 1e-3,
    "embedding_optimizer": "adam",
    "lr_cooldown": 0.0,
    "lr_step_epochs": 5,
    "lr_decay": 0.1,
    "batch_size": 2048,
    "epochs": 15,
    "patience": 15,
    "fit_intercept": False,
    "start": "scratch",
}
# Steps that keep a GPU busy. From 4,096 to 65,536 rows the step of the dense layers grows by the root of 16. That
# of the tables stays, since a rare id is in a batch once at most, however large. This is the rule of Zheng et al.,
# "CowClip: Reducing CTR prediction model training time from 12 hours to 10 minutes on 1 GPU", 2022 (arXiv 2204.06240).
_GPU: Final[dict[str, Any]] = {"batch_size": 65_536, "learning_rate": 4e-3}
PRESETS: Final[dict[Preset, dict[str, Any]]] = {"default": {}, "original": _ORIGINAL, "gpu": _GPU}
"""What each preset sets; a field that it does not name keeps the field's own default."""


class TrainingConfig(BaseModel):
    """How a Wide & Deep model is trained. ``TrainingConfig(preset="original", epochs=3)``: a preset, then overrides.

    ``gpu`` is the default preset in steps of 65,536 rows, for windows of tens of millions of rows on a GPU.

    The defaults are the ``default`` preset: ``docs/concepts/defaults.md`` shows what they were chosen from. The second
    epoch overfits unless rows are few: it is there for small windows, and a patience of 1 ends it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    preset: Preset = Field(
        default="default", description="Fills every field that is not given; also selects the features"
    )
    hidden: list[Units] = Field(
        default=[256, 128],
        min_length=1,
        max_length=16,
        description="Units of each hidden layer of the deep part, 1 to 16,384 each",
    )
    wide_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Probability that a wide input is dropped from a row in training (no unit)"
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, le=1, description="Step size of Adam on the dense layers (no unit)"
    )
    embedding_learning_rate: float = Field(
        default=0.02, gt=0, le=10, description="Step size on embeddings and wide weights (no unit)"
    )
    embedding_optimizer: RowOptimizerName = Field(
        default="adagrad",
        description="Optimizer of embeddings and wide weights; both touch only the rows of the batch",
    )
    lr_cooldown: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of an epoch's steps, its last, over which both learning rates fall linearly to 0 (no unit)",
    )
    lr_step_epochs: int = Field(
        default=0, ge=0, le=1000, description="Epochs between two decays of both learning rates; 0 keeps them constant"
    )
    lr_decay: float = Field(
        default=1.0, gt=0, le=1, description="Factor on both learning rates at each decay (no unit)"
    )
    batch_size: int = Field(
        default=0,
        ge=0,
        le=1_048_576,
        description="Most rows of one step on one rank; the steps of an epoch are equal. 0: chosen by the number of "
        f"training rows, for {STEPS_PER_EPOCH:,} steps of {SMALLEST_BATCH:,} to {LARGEST_BATCH:,} rows over all ranks",
    )
    epochs: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Most passes over the training rows of the window; going on from the day before makes one",
    )
    patience: int = Field(
        default=1, ge=1, le=1000, description="Epochs without a better validation logloss after which training stops"
    )
    fit_intercept: bool = Field(
        default=True,
        description="After each epoch move the bias so that the mean prediction is the click rate of validation rows",
    )
    start: Start = Field(
        default="auto",
        description="auto: go on from the model of the day before where it is fit, on the day's rows alone; "
        "scratch: learn the whole window from nothing",
    )
    shuffle_buffer_rows: int = Field(
        default=524_288,
        ge=1,
        le=16_777_216,
        description="Rows shuffled together in memory; bounds the memory of the loader",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of initial weights, shuffling and dropout")
    precision: Precision = Field(
        default="auto",
        description="Number format of the dense layers; auto: bf16 where the device computes it in hardware, else "
        "fp16 with loss scaling on CUDA and fp32 on a CPU",
    )
    device: Device = Field(default="auto", description="Where to train; auto: CUDA when there is one")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        # An unknown preset fills nothing here: the field's own validation names the presets there are.
        return {**PRESETS.get(given.get("preset", "default"), {}), **given}

    def learning_rate_factor(self, epoch: int, step: int, steps: int) -> float:
        """Factor on both learning rates at a step (from 0) of the ``steps`` of an epoch (from 1).

        The decay by epochs is that of the original study. The linear fall to 0 does what averaging the last weights
        does (Defazio et al., "Optimal linear decay learning rate schedules and further refinements", 2023).
        """
        decayed = self.lr_decay ** ((epoch - 1) // self.lr_step_epochs) if self.lr_step_epochs else 1.0
        remaining = (steps - step) / steps
        return decayed * (min(1.0, remaining / self.lr_cooldown) if self.lr_cooldown else 1.0)

    def rows_of_a_step(self, train_rows: int, world_size: int) -> int:
        """Most rows of one step on one rank, for so many training rows over all ranks.

        A chosen number is a power of 2 over all ranks, so that trainings of about as many rows are alike.
        """
        if self.batch_size:
            return self.batch_size
        wanted = 1 << max(0, round(math.log2(max(1, train_rows) / STEPS_PER_EPOCH)))
        return math.ceil(min(max(wanted, SMALLEST_BATCH), LARGEST_BATCH) / world_size)
