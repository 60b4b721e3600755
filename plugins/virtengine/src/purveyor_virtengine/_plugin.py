"""What the plugin host loads: the descriptor. Whatever is heavy is imported when a provider is built."""

from __future__ import annotations

from purveyor.plugin import Context, Provider, ProviderPlugin, hookimpl
from purveyor_virtengine._config import BASE_URL, Settings


async def build(settings: Settings, ctx: Context) -> Provider:
    """A wallet on a chain, or one of the providers that were found there."""
    from purveyor_virtengine import _building  # noqa: PLC0415 - brings HTTP client, decoder and cryptography

    return await _building.build(settings, ctx)


PLUGIN = ProviderPlugin(
    name="virtengine",
    factory=build,
    config_type=Settings,
    facets=frozenset({"deployments", "discovery"}),
    discovered_facets=frozenset({"deployments", "metrics", "billing"}),
    capabilities=frozenset({"containers", "logs", "shell"}),
    default_base_url=BASE_URL,
    sandbox="purveyor_virtengine.sandbox:VirtEngineSandbox",
)


@hookimpl
def purveyor_register_providers() -> list[ProviderPlugin]:
    """Offer the provider type ``virtengine``."""
    return [PLUGIN]
