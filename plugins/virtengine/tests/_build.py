"""A chain and its providers to test, without an engine around them."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from purveyor.plugin import Call, DeploymentListRequest, DiscoveryRequest, LoopClock, SecretRef
from purveyor_testing.context import plain_context
from purveyor_virtengine._config import Settings
from purveyor_virtengine._plugin import build
from purveyor_virtengine.sandbox import VirtEngineSandbox

NAME = "ve"
SECRETS = ("key", "mnemonic", "hmac_secret", "api_key")
COMMON = ("base_url", "allow_private", "timeout", "trusted")


class Impatient(LoopClock):
    """The wall clock's time, on which daemons check signatures; nobody waits."""

    async def sleep(self, seconds):
        await asyncio.sleep(0)


def context(provider=NAME, *, guarded=False, base_url=None, timeout=10.0, **parts):
    """A context without an engine behind it."""
    ctx = plain_context(provider=provider, type="virtengine", base_url=base_url, timeout=timeout)
    return attrs.evolve(ctx, clock=Impatient(), guarded=guarded, **parts)


def call(seconds=20.0):
    """A call that may take that long."""
    return Call(deadline=asyncio.get_running_loop().time() + seconds)


class World:
    """A sandbox, the chain as a provider, and those that it found."""

    def __init__(self, cloud, stack):
        self.cloud, self._stack = cloud, stack
        self.chain = None

    async def wallet(self, **settings):
        """The chain as a provider."""
        given = {**self.cloud.settings(), **settings}
        common = {name: given.pop(name) for name in COMMON if name in given}
        own = {
            name: SecretRef(value) if name in SECRETS else value
            for name, value in given.items()
            if value is not None
        }
        ctx = context(base_url=common["base_url"], timeout=common.get("timeout", 10.0))
        made = await build(Settings(**own), ctx)
        self._stack.push_async_callback(made.aclose)
        return made

    async def found(self, chain=None):
        """Everybody who can be found, by address."""
        pages = [page async for page in (chain or self.chain).discover(DiscoveryRequest(), call())]
        return {one.name: one for page in pages for one in page.items}

    async def endpoint(self, daemon, chain=None, **parts):
        """A provider that was found, as the engine would build it."""
        one = (await self.found(chain))[daemon.address]
        made = await build(one.settings, context(f"{NAME}/{one.name}", **parts))
        self._stack.push_async_callback(made.aclose)
        return made

    async def deployments(self, chain=None, **request):
        """All deployments, and all errors."""
        items, errors = [], []
        async for page in (chain or self.chain).list_deployments(DeploymentListRequest(**request), call()):
            items += page.items
            errors += page.unreadable
        return items, errors


@asynccontextmanager
async def world(**behaviour):
    """A small VirtEngine, with its wallet."""
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(
            VirtEngineSandbox(**{"seed": 3, "speed": "fast", **behaviour})
        )
        made = World(cloud, stack)
        made.chain = await made.wallet()
        yield made


async def until(so, seconds=10.0):
    """Wait for something that another task brings about."""
    async with asyncio.timeout(seconds):
        while not so():  # noqa: ASYNC110 - nobody there could tell us
            await asyncio.sleep(0)
