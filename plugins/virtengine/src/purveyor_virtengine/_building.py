"""From settings to a provider."""

from __future__ import annotations

from purveyor.plugin import Context
from purveyor_virtengine._config import Settings
from purveyor_virtengine._endpoint import Endpoint
from purveyor_virtengine._home import Found, make_home
from purveyor_virtengine._provider import VirtEngine

__all__ = ["build"]


async def build(settings: Settings, ctx: Context) -> VirtEngine | Endpoint:
    """A wallet on a chain, or one of the providers that were found there.

    Raises:
        ConfigurationError: The settings do not fit together, or an address or a key is none.
        UnsafeEndpointError: A found provider is where nothing may be sent.
    """
    if isinstance(settings, Found):
        return Endpoint(settings, ctx)
    return VirtEngine(settings, ctx, await make_home(settings, ctx))
