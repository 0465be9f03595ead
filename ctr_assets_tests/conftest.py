"""Fixtures that several folders of tests share, and the processor that the tests take theirs for.

Training chooses bf16 where the CPU has it in hardware, else fp32. The suite passes with either, whatever the CPU::

    CTR_TESTS_PRECISION=fp32 make test
    CTR_TESTS_PRECISION=bf16 make test
"""

import importlib
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctr_assets.launch.java import class_archive_option
from ctr_assets.notices import NOTICES
from ctr_assets_tests.avazu import FOLDER_VARIABLE, Log, downloaded_log, made_log

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

if "CTR_TESTS_PRECISION" in os.environ:
    _PROCESSOR = str(Path(__file__).parent / "processor")
    if _PROCESSOR not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_PROCESSOR, os.environ.get("PYTHONPATH")]))
        # This process started without it, and has not loaded torch yet; those that it starts import it themselves.
        importlib.import_module("ctr_assets_tests.processor.sitecustomize")

# Of every JVM that a test starts: small inputs end before the optimising compiler has paid for itself (half the CPU).
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
# Of every Spark that a test starts: what setup has kept of Spark's classes takes ten seconds off each start.
os.environ.setdefault("SPARK_SUBMIT_OPTS", class_archive_option())


def pytest_configure(config: pytest.Config) -> None:
    """pytest sets aside the filters of the code that it tests: Dagster's notices are told to it again."""
    for message, category in NOTICES:
        config.addinivalue_line("filterwarnings", f"ignore:{message}:{category.__module__}.{category.__name__}")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "the whole graph through faults at random (ctr_assets_tests/chaos)")
    group.addoption("--chaos-seconds", type=float, default=120.0, help="how long faults happen, of each seed (120)")
    group.addoption("--chaos-seeds", default="", help="seeds, as 1,2,3; by default one of the moment, which is printed")


LONGEST = (
    "test_whole_graph.py",
    "docs/test_tutorial.py",
    "launch/kubernetes/test_run_worker.py",
    "instance/test_run_launcher.py",
    "launch/kubernetes/test_faults.py",
    "training/test_checkpoint.py",
    "chaos/test_chaos.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is left alone with one, then all others mixed.

    Neighbours are alike: of one folder's files all wait, or all compute, and workers should not do so together.
    """
    tests = Path(__file__).parent
    first = {tests / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (first.get(item.path, len(first)), zlib.crc32(bytes(item.path.relative_to(tests)))))


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """One real local Spark for the whole test session (a JVM takes ~5 s to start)."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .appName("ctr_assets_tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session", params=["made", pytest.param("downloaded", marks=pytest.mark.avazu)])
def avazu_log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The log as Kaggle has it: made rows, or (``make test-avazu DIR=...``) those of a download."""
    folder = tmp_path_factory.mktemp("avazu")
    if request.param == "made":
        return made_log(folder)
    try:
        return downloaded_log(Path(os.environ.get(FOLDER_VARIABLE, "")), folder)
    except FileNotFoundError as e:
        pytest.exit(str(e), returncode=pytest.ExitCode.USAGE_ERROR)
