"""One launcher a test, of each kind of resource."""

import pytest


@pytest.fixture(params=["spark", "pytorch", "trainjob"])
def kind(request):
    return request.param


@pytest.fixture
def launcher(fake, kind):
    """A launcher of scripted jobs on the fake cluster."""
    return fake.launcher(kind)
