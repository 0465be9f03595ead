"""What a training is told: one typed configuration and its presets. Pure data, importable without torch."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Preset = Literal["default", "original"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda"]
RowOptimizerName = Literal["adam", "adagrad"]
Units = Annotated[int, Field(ge=1, le=16_384)]

# The original study's figures. Its embeddings and wide weights were trained by the same Adam as the rest.
_ORIGINAL: Final[dict[str, Any]] = {
    "hidden": [512, 256, 128],
    "wide_dropout": 0.7,
    "learning_rate": 1e-3,
    "embedding_learning_rate": 1e-3,
    "embedding_optimizer": "adam",
    "lr_step_epochs": 5,
    "lr_decay": 0.1,
    "batch_size": 2048,
    "epochs": 15,
    "patience": 15,
}
PRESETS: Final[dict[Preset, dict[str, Any]]] = {"default": {}, "original": _ORIGINAL}
"""What each preset sets; a field that it does not name keeps the field's own default."""


class TrainingConfig(BaseModel):
    """How a Wide & Deep model is trained. ``TrainingConfig(preset="original", epochs=3)``: a preset, then overrides.

    The defaults are the ``default`` preset, chosen on demo data by AUC on the day after the window. With 117 k training
    rows: a row step of 5e-3 gives 0.834, 1e-3 gives 0.825, and 8192 rows a step are too few steps (0.824). With 1 M
    rows these choices no longer matter (0.849), and the second epoch already overfits: it is there for small windows,
    and a patience of 1 ends it. 400-400-400 units score no better than 256-128 on either, at a third of the speed.
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
        default=5e-3, gt=0, le=10, description="Step size on embeddings and wide weights (no unit)"
    )
    embedding_optimizer: RowOptimizerName = Field(
        default="adam", description="Optimizer of embeddings and wide weights; both touch only the rows of the batch"
    )
    lr_step_epochs: int = Field(
        default=0, ge=0, le=1000, description="Epochs between two decays of both learning rates; 0 keeps them constant"
    )
    lr_decay: float = Field(
        default=1.0, gt=0, le=1, description="Factor on both learning rates at each decay (no unit)"
    )
    batch_size: int = Field(
        default=4096,
        ge=1,
        le=1_048_576,
        description="Most rows of one step on one rank; the steps of an epoch are equal",
    )
    epochs: int = Field(default=3, ge=1, le=1000, description="Most passes over the training rows of the window")
    patience: int = Field(
        default=1, ge=1, le=1000, description="Epochs without a better validation logloss after which training stops"
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

    def decay(self, epoch: int) -> float:
        """Factor on both learning rates in an epoch (the first is 1)."""
        return self.lr_decay ** ((epoch - 1) // self.lr_step_epochs) if self.lr_step_epochs else 1.0
