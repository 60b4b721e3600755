"""Whatever a test leaves open is closed behind it, so that one failure does not make others."""

import pytest

from . import _build


@pytest.fixture(autouse=True)
async def _closed():
    yield
    while _build.MADE:
        await _build.MADE.pop().aclose()
