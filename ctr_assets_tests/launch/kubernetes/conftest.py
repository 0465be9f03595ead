"""One launcher a test, of either kind of resource."""

import pytest


@pytest.fixture(params=["spark", "pytorch"])
def kind(request):
    return request.param


@pytest.fixture
def launcher(fake, kind):
    """A launcher of scripted jobs on the fake cluster."""
    return fake.launcher(kind)
