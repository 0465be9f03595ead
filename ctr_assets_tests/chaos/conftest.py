"""The seeds and the time of the chaos test, from the command line."""

import os
import uuid
import zlib

import pytest

FAILED_BEFORE: tuple[int, ...] = (1,)
"""Seeds that found a defect: each is a test of its own."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chaos_seed" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--chaos-seeds")
        seeds = [int(seed) for seed in asked.split(",")] if asked else [*FAILED_BEFORE, seed_of_the_moment()]
        metafunc.parametrize("chaos_seed", seeds)


def seed_of_the_moment() -> int:
    """The same in all workers of a test run, which must collect the same tests."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)
    return zlib.crc32(run.encode()) % 10**6


@pytest.fixture
def chaos_seconds(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--chaos-seconds"))
