"""The model card: all that is needed to use a model's weights and to know where they come from. Pure data."""

from typing import Any

import torch

from ctr_assets.features import FEATURE_SELECTIONS, FeatureSelection
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.layout import Layout, build_layout
from ctr_assets.training.model import WideDeep
from ctr_assets.training.start import FORMAT, Start
from ctr_assets.training.window import Window


def build_card(
    start: Start,
    window: Window,
    config: TrainingConfig,
    layout: Layout,
    *,
    base_rate: float,
    train_rows: int,
    batch_rows: int,
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
        "torch_version": str(torch.__version__),
    }


def model_of_card(card: dict[str, Any]) -> WideDeep:
    """The architecture that a card describes, with weights yet to be loaded."""
    features = card["features"]
    selection = FeatureSelection(preset=features["preset"], wide=tuple(features["wide"]), deep=features["deep"])
    config = TrainingConfig.model_validate(card["config"])
    return WideDeep(build_layout(selection, card["vocabulary_sizes"]), config.hidden)
