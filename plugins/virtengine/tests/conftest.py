import pytest

from ._sandbox_client import world


@pytest.fixture
async def pair():
    """A sandbox, and an outsider who asks it; where other behaviour is wanted, a file has its own."""
    async with world() as both:
        yield both


@pytest.fixture
def cloud(pair):
    return pair[0]


@pytest.fixture
def me(pair):
    return pair[1]


@pytest.fixture
def daemon(cloud):
    return cloud.daemons[0]


@pytest.fixture
def api(daemon):
    return f"{daemon.origin}/api/v1"
