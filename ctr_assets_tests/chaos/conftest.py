"""The seeds and the time of the chaos test, from the command line."""

import random

import pytest

FAILED_BEFORE: tuple[int, ...] = ()
"""Seeds that found a defect: each is a test of its own."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chaos_seed" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--chaos-seeds")
        seeds = [int(seed) for seed in asked.split(",")] if asked else [*FAILED_BEFORE, random.randrange(10**6)]
        metafunc.parametrize("chaos_seed", seeds)


@pytest.fixture
def chaos_seconds(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--chaos-seconds"))
