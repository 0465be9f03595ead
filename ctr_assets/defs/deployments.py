"""What differs between a laptop and a cluster: one dict of resources each. The assets are the same."""

from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from ctr_assets.defs import SETTINGS
from ctr_assets.defs.automation import landing_watch, prediction_policy, retraining_policy
from ctr_assets.defs.checks import CheckThresholds
from ctr_assets.defs.places import Places
from ctr_assets.launch import ProcessLauncher


def _laptop() -> dict[str, Any]:
    from ctr_assets.launch.local_spark import LocalSparkLauncher

    return {
        "places": _places(),
        "spark_launcher": LocalSparkLauncher(),
        "pytorch_launcher": ProcessLauncher(processes=SETTINGS.training_processes),
    }


def _kubernetes() -> dict[str, Any]:
    from ctr_assets.launch.kubernetes.engines import PyTorchLauncher, SparkLauncher, TrainJobLauncher

    common: dict[str, Any] = {
        "settings_file": SETTINGS.kubernetes_settings or "",
        "messages_url": SETTINGS.messages_url or "",
        "kubeconfig": SETTINGS.kubeconfig,
    }
    torch_launcher = {"pytorchjob": PyTorchLauncher, "trainjob": TrainJobLauncher}[SETTINGS.pytorch_kind]
    return {
        "places": _places(),
        "spark_launcher": SparkLauncher(**common),
        "pytorch_launcher": torch_launcher(**common),
    }


def _places() -> Places:
    return Places(
        landing_url=SETTINGS.landing_url or "",
        store_url=SETTINGS.store_url or "",
        truth_folder=SETTINGS.truth_folder or "",
    )


DEPLOYMENTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {"laptop": _laptop, "kubernetes": _kubernetes}


def deployment_sensors() -> list[dg.SensorDefinition]:
    """Sensors that only the deployment of ``CTR_DEPLOYMENT`` needs."""
    if SETTINGS.deployment != "kubernetes":
        return []
    from ctr_assets.defs.retries import forgotten_retries
    from ctr_assets.defs.sweep import orphan_sweeper

    return [orphan_sweeper, forgotten_retries]


def deployment_resources() -> dict[str, Any]:
    """The resources of the deployment of ``CTR_DEPLOYMENT``."""
    return {
        "thresholds": CheckThresholds(),
        "landing_watch": landing_watch(),
        "retraining_policy": retraining_policy(),
        "prediction_policy": prediction_policy(),
        **DEPLOYMENTS[SETTINGS.deployment](),
    }
