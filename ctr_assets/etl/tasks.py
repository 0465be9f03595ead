"""Placing Python work on Spark: one task an item, and the number that keeps twin attempts' files apart."""

from collections.abc import Callable
from typing import TypeVar

from pyspark import TaskContext
from pyspark.sql import SparkSession

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run_tasks(
    spark: SparkSession, items: list[Item], function: Callable[[Item], Outcome], tasks: int | None = None
) -> list[Outcome]:
    """``function`` over ``items``, one Spark task each or ``tasks`` in all, outcomes in the order of the items.

    Only what successful attempts return comes back, so files that a failed or speculative twin wrote are never named.
    """
    return spark.sparkContext.parallelize(items, tasks or len(items)).map(function).collect() if items else []


def attempt() -> int:
    """Number of this task attempt, unique in the application; 0 outside Spark."""
    context = TaskContext.get()
    return context.taskAttemptId() if context else 0
