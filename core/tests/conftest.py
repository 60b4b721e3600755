import sys

import pytest

from ._chain import ChainWorld
from ._cloud import World


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """Clouds in memory, empty at first; everything that a test installed is gone after it."""
    yield from _gone_afterwards(World(f"purveyor_fake_{id(request)}"))


@pytest.fixture
def chains(request: pytest.FixtureRequest) -> ChainWorld:
    """Chains in memory, none at first."""
    yield from _gone_afterwards(ChainWorld(f"purveyor_fake_chains_{id(request)}"))


def _gone_afterwards(world):
    yield world
    for name in set(sys.modules):
        if name.startswith("purveyor_fake"):
            del sys.modules[name]
