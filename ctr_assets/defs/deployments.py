"""What differs between a laptop and a cluster: one dict of resources each. The assets are the same."""

import os
from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from ctr_assets.defs.automation import landing_watch, retraining_policy
from ctr_assets.defs.checks import CheckThresholds
from ctr_assets.defs.places import Places
from ctr_assets.launch import ProcessLauncher


def _laptop() -> dict[str, Any]:
    from ctr_assets.launch.local_spark import LocalSparkLauncher

    return {
        "places": _places(),
        "spark_launcher": LocalSparkLauncher(),
        "pytorch_launcher": ProcessLauncher(processes=int(os.environ.get("CTR_TRAINING_PROCESSES", "1"))),
    }


def _kubernetes() -> dict[str, Any]:
    from ctr_assets.launch.kubernetes.launcher import PyTorchLauncher, SparkLauncher

    common: dict[str, Any] = {
        "settings_file": dg.EnvVar("CTR_KUBERNETES_SETTINGS"),
        "messages_url": dg.EnvVar("CTR_MESSAGES_URL"),
        "kubeconfig": os.environ.get("CTR_KUBECONFIG"),
    }
    return {
        "places": _places(),
        "spark_launcher": SparkLauncher(**common),
        "pytorch_launcher": PyTorchLauncher(**common),
    }


def _places() -> Places:
    return Places(landing_url=dg.EnvVar("CTR_LANDING_URL"), store_url=dg.EnvVar("CTR_STORE_URL"))


DEPLOYMENTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {"laptop": _laptop, "kubernetes": _kubernetes}


def deployment_sensors() -> list[dg.SensorDefinition]:
    """Sensors that only the deployment of ``CTR_DEPLOYMENT`` needs."""
    if deployment() != "kubernetes":
        return []
    from ctr_assets.defs.sweep import orphan_sweeper

    return [orphan_sweeper]


def deployment_resources() -> dict[str, Any]:
    """The resources of the deployment of ``CTR_DEPLOYMENT``."""
    return {
        "thresholds": CheckThresholds(),
        "landing_watch": landing_watch(),
        "retraining_policy": retraining_policy(),
        **DEPLOYMENTS[deployment()](),
    }


def deployment() -> str:
    """The deployment that ``CTR_DEPLOYMENT`` names (default: laptop). Raises ValueError."""
    name = os.environ.get("CTR_DEPLOYMENT", "laptop")
    if name not in DEPLOYMENTS:
        raise ValueError(f"CTR_DEPLOYMENT is {name!r}, expected one of {', '.join(DEPLOYMENTS)}")
    return name
