"""What the scenarios stand on: the plugin's sandbox, a client, and the provider itself."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import attrs

from purveyor.client import MultiProviderClient
from purveyor.engine.plugins import PluginHost
from purveyor.model.instance import InstanceSpec
from purveyor.plugin import (
    CreateRequest,
    ProviderPlugin,
)
from purveyor_testing.context import plain_context
from purveyor_testing.sandbox import Sandbox

__all__ = ["CANARY", "DOUBTS", "REFUSALS", "Bench", "ids_of"]

REFUSALS = ("no_capacity", "quota", "scope")
DOUBTS: Mapping[str, Mapping[str, Any]] = {
    "reset_before": {},
    "reset_after": {},
    "late_effect": {"seconds": 30},
    "error_before": {"status": 500},
    "error_after": {"status": 502},
    "truncate": {},
    "garbage": {},
    "html": {},
    "empty": {},
    "redirect": {"location": "http://127.0.0.1:9/"},
    "bomb": {"size": 64 * 1024 * 1024},
}
CANARY = "canary0123456789canary0123456789"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO/Vx3fs9sn8SGHOhyIHbpils4jFIiTc5/SyoIlS8D3X conformance"


class Bench:
    """Which plugin, what its sandbox sells, and what tests need of both."""

    plugin: ClassVar[str]
    """Name of the provider type."""
    spec: ClassVar[InstanceSpec]
    """A request that the sandbox can serve."""
    create: ClassVar[tuple[str, str]]
    """Method and path of the request that makes a machine."""
    listing: ClassVar[tuple[str, str] | None] = None
    """Method and path of the request that lists machines, where the path is not that of ``create``."""

    def settings(self, cloud: Sandbox) -> dict[str, Any]:
        """The provider's settings for a sandbox."""
        return {"token": cloud.token, "base_url": cloud.base_url}

    # What the scenarios stand on.

    @property
    def descriptor(self) -> ProviderPlugin:
        """What the plugin registers."""
        return PluginHost().provider_type(self.plugin)

    @asynccontextmanager
    async def cloud(self, **options: Any) -> AsyncIterator[Sandbox]:
        """The plugin's sandbox, served; in stepped time unless told otherwise."""
        assert self.descriptor.sandbox, "the descriptor names no sandbox"
        module, _, name = self.descriptor.sandbox.partition(":")
        sandbox: Sandbox = getattr(importlib.import_module(module), name)(
            **{"seed": 1, "speed": "stepped", **options}
        )
        async with sandbox:
            yield sandbox

    @asynccontextmanager
    async def client(self, cloud: Sandbox, **settings: Any) -> AsyncIterator[MultiProviderClient]:
        """A client with one provider, ``it``."""
        # Nothing here lags unless a scenario says so: no waiting for what is surely visible.
        bounds = {"visibility_grace": 0, "late_commit_bound": 0}
        config = {**self.settings(cloud), **bounds, **settings}
        providers = [{"name": "it", "type": self.plugin, "config": config}]
        configuration = {"state": "memory", "providers": providers}
        async with MultiProviderClient.from_config(configuration, health_interval=None) as client:
            yield client

    @asynccontextmanager
    async def provider(self, cloud: Sandbox) -> AsyncIterator[Any]:
        """The provider itself, with no engine around it."""
        own = {key: value for key, value in self.settings(cloud).items() if key != "base_url"}
        host = PluginHost()
        from purveyor.config import load_configuration  # noqa: PLC0415 - only for shaping the settings

        providers = [{"name": "it", "type": self.plugin, "config": own}]
        shaped = load_configuration({"state": "memory", "providers": providers}, host).providers[0].own
        context = plain_context(provider="it", type=self.plugin, base_url=cloud.base_url)
        provider = await self.descriptor.factory(shaped, context)
        try:
            yield provider
        finally:
            await provider.aclose()

    def with_key(self) -> InstanceSpec:
        """The request, with a key to log in by."""
        keys: tuple[str, ...] = (KEY,)
        return attrs.evolve(self.spec, ssh_keys=keys)

    async def resolved(self, client: MultiProviderClient) -> CreateRequest:
        """What a create call is given for ``spec``."""
        (candidate,) = (await client.explain(self.spec)).candidates
        return CreateRequest(
            name=self.spec.name,
            plan=candidate.plan,
            image=candidate.image,
            region=candidate.region,
            ssh_keys=(KEY,),
        )

    def made(self, cloud: Sandbox) -> int:
        """How many machines carry a mark, by the sandbox's log, an hour later."""
        if cloud.speed == "stepped":
            cloud.advance(3600)
        effects = [effect for entry in cloud.log for effect in entry.effects]
        return sum(
            one.kind == "created" and any(tag.startswith("pv-") for tag in one.tags) for one in effects
        )

    def sent(self, cloud: Sandbox) -> int:
        """How many creates arrived."""
        return sum((entry.method, entry.path) == self.create for entry in cloud.log)


async def ids_of(pages: AsyncIterator[Any]) -> list[str]:
    """The ids on all pages."""
    return [one.id async for page in pages for one in page.items]
