"""What runs in the processes of the tests in which several trainings of one day and the same settings race."""

import json
import os
from collections.abc import Mapping
from multiprocessing.synchronize import Barrier
from pathlib import Path

from ctr_assets.storage import Store
from ctr_assets.training.config import TrainingConfig
from ctr_assets.training.train import train
from ctr_assets_tests.training.conftest import DAYS


def train_beside_others(
    url: str, environment: Mapping[str, str], configs: list[TrainingConfig], barrier: Barrier, out: Path
) -> None:
    """Train each configuration, all processes at once; what became of each goes to ``out`` as a JSON list."""
    os.environ.update(environment)
    outcomes = []
    for config in configs:
        barrier.wait()
        try:
            version = train(Store(url), DAYS[-1], DAYS, config, log=lambda message: None).manifest.version
            outcomes.append({"version": version, "error": ""})
        except Exception as e:
            outcomes.append({"version": "", "error": f"{type(e).__name__}: {e}"})
        barrier.wait()
        out.write_text(json.dumps(outcomes))
