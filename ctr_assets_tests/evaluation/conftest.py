"""Three small encoded days with model and baselines of the second and the third, trained once; tests get copies."""

import fcntl
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ctr_assets.baselines.gbt_config import GbtConfig
from ctr_assets.baselines.logistic_config import LogisticConfig
from ctr_assets.jobs import evaluation_metrics
from ctr_assets.jobs.contract import METADATA, OPTIONAL
from ctr_assets.storage import Store
from ctr_assets.training.config import TrainingConfig
from ctr_assets_tests.encoded_days import write_days

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]
TINY = TrainingConfig(
    hidden=[16],
    epochs=8,
    patience=8,
    batch_size=256,
    learning_rate=1e-2,
    embedding_learning_rate=1e-2,
    device="cpu",
    precision="fp32",
)


ADDED_BY_THE_LAUNCHER = {"core_seconds", "gpu_seconds", "external_job"}


class RecordingReport:
    """Keeps what a job reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.partitions: list[tuple[str, dict[str, Any]]] = []

    def log(self, message: str) -> None:
        self.lines.append(message)

    def partition(self, partition: str, metadata: Mapping[str, Any]) -> None:
        self.partitions.append((partition, dict(metadata)))

    @property
    def metadata(self) -> dict[str, Any]:
        """Of the only partition reported."""
        ((_, metadata),) = self.partitions
        return metadata


def assert_as_contracted(asset: str, reported: dict[str, Any]) -> None:
    """What a job reported has the keys that the metadata contract names for its asset, in that order."""
    contracted = set(METADATA[asset]) - ADDED_BY_THE_LAUNCHER
    assert set(reported) <= contracted
    assert contracted - set(reported) <= OPTIONAL[asset]
    assert list(reported) == [key for key in METADATA[asset] if key in reported]


def window_of(day: str) -> list[str]:
    return DAYS[max(0, DAYS.index(day) - 1) : DAYS.index(day) + 1]


def train_wide_deep(store: Store, day: str, config: TrainingConfig = TINY) -> None:
    from ctr_assets.training.train import train

    train(store, day, window_of(day), config, log=lambda line: None)


def evaluate_day(store: Store, day: str, next_day: str | None = None) -> dict[str, Any]:
    """Run the job and return what it reported."""
    report = RecordingReport()
    params = evaluation_metrics.Params(store_url=store.url, day=day, window=window_of(day), next_day=next_day)
    evaluation_metrics.run(params, report)
    assert [partition for partition, _ in report.partitions] == [day]
    return report.metadata


@dataclass(frozen=True)
class Evaluated:
    """A store that tests only read, and what the job reported of day 22."""

    store: Store
    reported: dict[str, Any]


@pytest.fixture(scope="session")
def evaluated(request: pytest.FixtureRequest, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Days 21 to 23; model and baselines of days 22 and 23; day 22 evaluated on its test rows and on day 23.

    Made by whichever of pytest-xdist's workers needs it first; the others wait for it and read the same.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "evaluated"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "evaluated.pickle"
        if not made.exists():
            content = pickle.dumps(_evaluate(Store(str(folder / "store")), request.getfixturevalue("spark")))
            made.write_bytes(content)
    evaluated: Evaluated = pickle.loads(made.read_bytes())
    return evaluated


def _evaluate(store: Store, spark: "SparkSession") -> Evaluated:
    from ctr_assets.baselines.gbt import train_gbt
    from ctr_assets.baselines.logistic import train_logistic

    write_days(store, DAYS)
    for day in DAYS[1:]:
        train_gbt(spark, store, day, window_of(day), GbtConfig(max_iter=1, max_depth=2), {})
        train_logistic(store, day, window_of(day), LogisticConfig(), log=lambda line: None, created_by={})
        train_wide_deep(store, day)
    return Evaluated(store, evaluate_day(store, DAYS[1], DAYS[2]))


@pytest.fixture
def store(evaluated: Evaluated, tmp_path: Path) -> Store:
    """A copy that the test may change."""
    return Store(str(shutil.copytree(evaluated.store.root, tmp_path / "store")))
