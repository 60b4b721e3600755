"""A provider to test, without an engine around it."""

import logging
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from purveyor.plugin import Call, CommonSettings, Context, Exchange, LoopClock, Mark, Secret, SecretRef
from purveyor_digitalocean._config import Settings
from purveyor_digitalocean._plugin import build

NAME = "do-ams"
TOKEN = "dop_v1_canary"
MARK = Mark("owner00001", "intent0000000001")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X me@example"
FINGERPRINT = "64:26:41:cb:5e:f9:57:07:9f:08:45:e7:7f:f4:54:95"
"""What ``ssh-keygen -l -E md5`` says of it."""
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class FixedDay(LoopClock):
    """The loop's time on a day that is always the same."""

    def now(self):
        return NOW


def context(base_url):
    """A context whose exchanges only keep the record."""

    @asynccontextmanager
    async def exchange(call, group, effect):
        record = Exchange(group, effect, timeout=10.0)
        call.exchanges.append(record)
        yield record

    async def resolve(reference):
        return Secret(reference.reference)

    return Context(
        provider=NAME,
        type="digitalocean",
        settings=CommonSettings(base_url=base_url),
        clock=FixedDay(),
        random=random.Random(1),
        ids=lambda: "0" * 16,
        log=logging.getLogger("purveyor.test"),
        resolve=resolve,
        exchange=exchange,
    )


async def provider(base_url, token=TOKEN, **settings):
    """A provider as the engine would get it."""
    return await build(Settings(token=SecretRef(token), **settings), context(base_url))


def call(mark=MARK):
    """A call with all the time of the world."""
    return Call(deadline=1e9, mark=mark)
