"""For every test: traffic stays on loopback, and Ctrl-C works."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from purveyor_testing.loopback import only_loopback

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells have their background jobs ignore Ctrl-C, which the commands that tests start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _loopback() -> Iterator[None]:
    with only_loopback():
        yield
