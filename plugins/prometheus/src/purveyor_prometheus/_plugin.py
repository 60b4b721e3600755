"""What the plugin host loads: the descriptor. Whatever is heavy is imported when a provider is built."""

from __future__ import annotations

from purveyor.plugin import Context, Provider, ProviderPlugin, hookimpl
from purveyor_prometheus._config import Settings


async def build(settings: Settings, ctx: Context) -> Provider:
    """Servers to query, targets to scrape, or both."""
    from purveyor_prometheus._provider import Prometheus  # noqa: PLC0415 - brings HTTP client and decoder
    from purveyor_prometheus.sources import open_sources  # noqa: PLC0415 - likewise

    return Prometheus(settings, ctx, await open_sources(settings, ctx))


PLUGIN = ProviderPlugin(
    name="prometheus",
    factory=build,
    config_type=Settings,
    facets=frozenset({"metrics"}),
    capabilities=frozenset({"containers", "hosts", "promql", "scrape"}),
    sandbox="purveyor_prometheus.sandbox:PrometheusSandbox",
)


@hookimpl
def purveyor_register_providers() -> list[ProviderPlugin]:
    """Offer the provider type ``prometheus``."""
    return [PLUGIN]
