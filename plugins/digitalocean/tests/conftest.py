import pytest

from ._build import account


@pytest.fixture
async def both():
    async with account() as pair:
        yield pair


@pytest.fixture
def cloud(both):
    return both[0]


@pytest.fixture
def do(both):
    return both[1]
