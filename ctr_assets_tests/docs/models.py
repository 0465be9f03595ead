"""The typed configurations as tables: settings, launchpads, policies, the cluster's settings file."""

from typing import Final

from pydantic import BaseModel

from ctr_assets.defs.automation import LandingWatch, PredictionPolicy, RetrainingPolicy
from ctr_assets.defs.checks import CheckThresholds
from ctr_assets.defs.feature_tables import FeatureVocabularyConfig
from ctr_assets.defs.ingest import RawImpressionsConfig
from ctr_assets.defs.launchpad import JobConfig
from ctr_assets.defs.vacuum import VacuumConfig
from ctr_assets.evaluation.scored import MODELS
from ctr_assets.jobs.contract import OPTIONAL, REPORTED_MODELS, told_as_patterns
from ctr_assets.launch.kubernetes.settings import (
    ClusterSettings,
    PyTorchSettings,
    SecretKey,
    SparkSettings,
    Toleration,
)
from ctr_assets.launchpads import LAUNCHPADS, NothingToChoose
from ctr_assets.training.config import PRESETS, TrainingConfig
from ctr_assets_tests.docs.fields import fields_table
from ctr_assets_tests.docs.markdown import code, table

CHOSEN: Final[dict[str, type[BaseModel]]] = {
    "raw_impressions": RawImpressionsConfig,
    "feature_vocabulary": FeatureVocabularyConfig,
    **{asset: model for asset, model in LAUNCHPADS.items() if model is not NothingToChoose},
}
"""Asset → its launchpad's fields. That of any other asset has ``resources`` and nothing else."""

_POLICIES: Final[dict[str, type[BaseModel]]] = {
    "thresholds": CheckThresholds,
    "landing_watch": LandingWatch,
    "retraining_policy": RetrainingPolicy,
    "prediction_policy": PredictionPolicy,
}
_CLUSTER: Final[dict[str, type[BaseModel]]] = {
    "cluster": ClusterSettings,
    "spark": SparkSettings,
    "pytorch": PyTorchSettings,
    "SecretKey": SecretKey,
    "Toleration": Toleration,
}


def launchpad() -> str:
    """A section for each asset that has something to choose, then that of all, then the vacuum's."""
    chosen = [f"## {code(asset)}\n\n{_launchpad_of(model)}" for asset, model in CHOSEN.items()]
    return "\n\n".join(
        [
            *chosen,
            f"## Every asset\n\n{fields_table(JobConfig)}",
            f"## The job `vacuum`\n\n{fields_table(VacuumConfig)}",
        ]
    )


def _launchpad_of(model: type[BaseModel]) -> str:
    presets = [preset for preset in PRESETS if preset != "default"] if model is TrainingConfig else []
    others = [(f"preset {code(preset)}", TrainingConfig(preset=preset)) for preset in presets]
    return fields_table(model, *others, without=tuple(JobConfig.model_fields))


def policies() -> str:
    """A section for each resource that holds thresholds or a policy."""
    return _sections(_POLICIES)


def cluster() -> str:
    """A section for each part of the settings file of a cluster."""
    return _sections(_CLUSTER)


def _sections(models: dict[str, type[BaseModel]]) -> str:
    return "\n\n".join(
        f"## {code(name)}\n\n{(model.__doc__ or '').strip()}\n\n{fields_table(model)}" for name, model in models.items()
    )


def metadata() -> str:
    """A section for each asset: the keys of its materializations."""
    sections = [f"## {code(asset)}\n\n{_keys_of(asset, keys)}" for asset, keys in told_as_patterns().items()]
    return "\n\n".join([_patterns(), *sections])


def _keys_of(asset: str, keys: dict[str, str]) -> str:
    note = dict.fromkeys(OPTIONAL[asset], " (left out where undefined)")
    return table(("key", "meaning"), [(code(key), f"{meaning}{note.get(key, '')}") for key, meaning in keys.items()])


def _patterns() -> str:
    models, contestants = (", ".join(map(code, names)) for names in (MODELS, REPORTED_MODELS))
    return (
        f"`ROWS` is `test` or `next_day`. `MODEL` is one of {models}. `CONTESTANT` is one of {contestants}. "
        "A figure that is undefined is left out."
    )
