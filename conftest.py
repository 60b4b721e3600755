"""For every test: traffic stays on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from purveyor_testing.loopback import only_loopback


@pytest.fixture(autouse=True)
def _loopback() -> Iterator[None]:
    with only_loopback():
        yield
