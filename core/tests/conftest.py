import sys

import pytest

from ._cloud import World


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """Clouds in memory, empty at first; everything that a test installed is gone after it."""
    before = set(sys.modules)
    yield World(f"purveyor_fake_{id(request)}")
    for name in set(sys.modules) - before:
        if name.startswith("purveyor_fake"):
            del sys.modules[name]
