"""A store with a few small encoded days, made once."""

import multiprocessing
import os
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from ctr_assets.storage import Store
from ctr_assets_tests.encoded_days import write_days
from ctr_assets_tests.kubernetes.fixtures import gcs, gcs_emulator

__all__ = ["gcs", "gcs_emulator"]

# Before torch is loaded: OpenMP threads that spin while they wait slow each other threefold on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

DAYS = ["2014-10-21", "2014-10-22", "2014-10-23"]


@pytest.fixture(scope="session", params=["fp32", "bf16"])
def precision(request: pytest.FixtureRequest) -> str:
    """What the dense layers compute in. A CPU without bf16 emulates it slowly: for small trainings."""
    precision: str = request.param
    return precision


@pytest.fixture(scope="session")
def encoded_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three encoded days for tests that only read."""
    store = Store(str(tmp_path_factory.mktemp("encoded")))
    write_days(store, DAYS)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three encoded days for tests that commit models."""
    store = Store(str(tmp_path / "store"))
    write_days(store, DAYS, rows_per_day=1200)
    return store


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Starts processes that have torch imported already (an import takes seconds) but have used none of it."""
    context = multiprocessing.get_context("forkserver")
    own = [f"ctr_assets_tests.training.{name}" for name in ("interrupted", "racing", "ranked")]
    # What a process's first optimizer and its first picture import: 3.5 of the 4.3 s of CPU of a small training.
    late = ["torch._dynamo", "ctr_assets.evaluation.report_plots", "matplotlib.figure"]
    context.set_forkserver_preload([*own, *late])
    return context
