import subprocess
import sys

import pytest
from pydantic import ValidationError

from ctr_assets.training.config import LARGEST_BATCH, TrainingConfig


def test_the_original_preset_is_the_original_study() -> None:
    config = TrainingConfig(preset="original")
    assert config.hidden == [512, 256, 128]
    assert (config.wide_dropout, config.learning_rate, config.batch_size, config.epochs) == (0.7, 1e-3, 2048, 15)
    assert (config.lr_step_epochs, config.lr_decay) == (5, 0.1)


def test_the_gpu_preset_is_the_default_in_large_steps() -> None:
    default, gpu = TrainingConfig().model_dump(), TrainingConfig(preset="gpu").model_dump()
    changed = {name: value for name, value in gpu.items() if value != default[name]}
    assert changed == {"preset": "gpu", "batch_size": 65_536, "learning_rate": 4e-3}
    assert gpu["learning_rate"] == default["learning_rate"] * (65_536 / LARGEST_BATCH) ** 0.5


def test_what_is_given_wins_over_the_preset() -> None:
    config = TrainingConfig.model_validate({"preset": "original", "epochs": 2, "hidden": [8]})
    assert (config.epochs, config.hidden, config.wide_dropout) == (2, [8], 0.7)


def test_a_dumped_config_reads_back_the_same() -> None:
    config = TrainingConfig(preset="original", lr_decay=0.5)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(("epoch", "factor"), [(1, 1), (5, 1), (6, 0.1), (10, 0.1), (11, 0.01)])
def test_learning_rates_fall_by_ten_every_five_epochs_in_the_original(epoch: int, factor: float) -> None:
    original = TrainingConfig(preset="original")
    assert [original.learning_rate_factor(epoch, step, 8) for step in (0, 7)] == pytest.approx([factor, factor])


def test_learning_rates_fall_to_nothing_over_the_last_steps_of_each_epoch() -> None:
    of_default = [TrainingConfig().learning_rate_factor(3, step, 4) for step in range(4)]
    assert of_default == pytest.approx([1, 0.75, 0.5, 0.25])
    half = TrainingConfig(lr_cooldown=0.5)
    assert [half.learning_rate_factor(1, step, 4) for step in range(4)] == pytest.approx([1, 1, 1, 0.5])
    assert TrainingConfig(lr_cooldown=0).learning_rate_factor(1, 3, 4) == 1


def test_learning_rates_stay_where_no_step_is_set() -> None:
    assert TrainingConfig(lr_step_epochs=0, lr_decay=0.1, lr_cooldown=0).learning_rate_factor(99, 1, 2) == 1


@pytest.mark.parametrize(
    ("rows", "ranks", "expected"),
    [(0, 1, 256), (30_000, 1, 256), (770_000, 1, 1024), (2_800_000, 1, 2048), (28_000_000, 1, 4096), (770_000, 3, 342)],
)
def test_a_step_has_more_rows_where_there_are_more(rows: int, ranks: int, expected: int) -> None:
    assert TrainingConfig().rows_of_a_step(rows, ranks) == expected
    assert TrainingConfig(batch_size=100).rows_of_a_step(rows, ranks) == 100


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"wide_dropout": 1.0}, {"hidden": []}, {"preset": "other"}, {"dropuot": 0.1}]
)
def test_values_out_of_bounds_and_misspelt_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate(wrong)


def test_every_field_is_described() -> None:
    assert all(field.description for field in TrainingConfig.model_fields.values())


def test_the_config_is_importable_without_torch() -> None:
    code = "import sys, ctr_assets.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
