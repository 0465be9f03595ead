"""The model card: all that is needed to use a model's weights and to know where they come from. Pure data."""

import platform
from importlib.metadata import version
from typing import Any, Final

from ctr_assets import __version__
from ctr_assets.features import FEATURE_SELECTIONS, FeatureSelection
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.model import WideDeep
from ctr_assets.training.start import FORMAT, Start
from ctr_assets.training.window import Window

_LIBRARIES: Final = ("torch", "numpy", "pyarrow")
_OF_A_DAY: Final = ("splits", "clicks", "unknown_rows")
"""What the card keeps of each encoded day: rows by split, clicked rows, rows of unknown value by feature."""


def build_card(
    start: Start,
    window: Window,
    config: TrainingConfig,
    layout: Layout,
    *,
    base_rate: float,
    train_rows: int,
    batch_rows: int,
    earlier_days: dict[str, Any],
    parameters: int,
    code_version: str,
) -> dict[str, Any]:
    """What is known before the first epoch; the metrics are added at the end. No times: same training, same card."""
    selection = FEATURE_SELECTIONS[config.preset]
    wide = selection.wide_within(window.vocabulary_sizes)
    return {
        "model": "wide_deep",
        "format": FORMAT,
        "day": window.day,
        "start": start.described,
        "window": window.days,
        "learnt": {**start.learnt, **{day.partition: day.content_fingerprint for day in window.encoded}},
        "days": {**earlier_days, **{day.partition: known_of_day(day.properties) for day in window.encoded}},
        "inputs": {manifest.reference: manifest.version for manifest in (window.vocabulary, *window.encoded)},
        "vocabulary_version": window.vocabulary.version,
        "vocabulary_fingerprint": window.vocabulary_fingerprint,
        "vocabulary_sizes": dict(zip(layout.features, layout.sizes, strict=True)),
        "features": {"wide": list(wide), "deep": dict(selection.deep), "preset": selection.preset},
        "config": config.model_dump(),
        "base_rate": base_rate,
        "train_rows": train_rows,
        "batch_rows": batch_rows,
        "parameters": parameters,
        "code_version": code_version,
        "libraries": library_versions(),
    }


def known_of_day(properties: dict[str, Any]) -> dict[str, Any]:
    """What the card keeps of an encoded day; the first ones did not count their clicks."""
    return {name: properties[name] for name in _OF_A_DAY if name in properties}


def library_versions() -> dict[str, str]:
    """Of whatever the weights may depend on besides data and configuration."""
    installed = {name: version(name) for name in _LIBRARIES}
    return {"ctr-assets": __version__, "python": platform.python_version(), **installed}


def model_of_card(card: dict[str, Any]) -> WideDeep:
    """The architecture that a card describes, with weights yet to be loaded."""
    features = card["features"]
    selection = FeatureSelection(preset=features["preset"], wide=tuple(features["wide"]), deep=features["deep"])
    config = TrainingConfig.model_validate(card["config"])
    return WideDeep(build_layout(selection, card["vocabulary_sizes"]), config.hidden)
