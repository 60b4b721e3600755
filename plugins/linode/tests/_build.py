"""A provider to test, without an engine around it."""

import itertools
from datetime import UTC, datetime

import attrs

from purveyor.plugin import LoopClock, SecretRef
from purveyor_linode._config import Settings
from purveyor_linode._plugin import build
from purveyor_testing.context import plain_context

NAME = "linode-eu"
TOKEN = "canary" * 10
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X me@example"
NOW = datetime(2026, 11, 15, 12, 0, tzinfo=UTC)


class CloudsDay(LoopClock):
    """The loop's time on the day that the cloud has."""

    def __init__(self, today):
        self._today = today

    def now(self):
        return self._today()


async def provider(base_url, token=TOKEN, today=lambda: NOW, **settings):
    """A provider as the engine would get it."""
    numbers = itertools.count()
    context = attrs.evolve(
        plain_context(provider=NAME, type="linode", base_url=base_url),
        clock=CloudsDay(today),
        ids=lambda: f"canary{next(numbers):010}",
    )
    return await build(Settings(token=SecretRef(token), **settings), context)
