"""Fixtures that several folders of tests share."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ctr_assets.launch import class_archive

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Of every JVM that a test starts: small inputs end before the optimising compiler has paid for itself (half the CPU).
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
# Of every Spark that a test starts: what setup has kept of Spark's classes takes ten seconds off each start.
os.environ.setdefault("SPARK_SUBMIT_OPTS", class_archive.java_options())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not item.path.name.startswith("test_whole_graph"))


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
