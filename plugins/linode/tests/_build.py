"""A provider to test, without an engine around it."""

import itertools
import logging
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from purveyor.plugin import Call, CommonSettings, Context, Exchange, LoopClock, Mark, Secret, SecretRef
from purveyor_linode._config import Settings
from purveyor_linode._plugin import build

NAME = "linode-eu"
TOKEN = "canary" * 10
MARK = Mark("owner00001", "intent0000000001")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X me@example"
NOW = datetime(2026, 11, 15, 12, 0, tzinfo=UTC)


class CloudsDay(LoopClock):
    """The loop's time on the day that the cloud has."""

    def __init__(self, today):
        self._today = today

    def now(self):
        return self._today()


def context(base_url, today=lambda: NOW):
    """A context whose exchanges only keep the record."""
    numbers = itertools.count()

    @asynccontextmanager
    async def exchange(call, group, effect):
        record = Exchange(group, effect, timeout=10.0)
        call.exchanges.append(record)
        yield record

    async def resolve(reference):
        return Secret(reference.reference)

    return Context(
        provider=NAME,
        type="linode",
        settings=CommonSettings(base_url=base_url),
        clock=CloudsDay(today),
        random=random.Random(1),
        ids=lambda: f"canary{next(numbers):010}",
        log=logging.getLogger("purveyor.test"),
        resolve=resolve,
        exchange=exchange,
    )


async def provider(base_url, token=TOKEN, today=lambda: NOW, **settings):
    """A provider as the engine would get it."""
    return await build(Settings(token=SecretRef(token), **settings), context(base_url, today))


def call(mark=MARK):
    """A call with all the time of the world."""
    return Call(deadline=1e9, mark=mark)
