"""What the plugin host loads: the descriptor. Whatever is heavy is imported when a provider is built."""

from __future__ import annotations

from purveyor.plugin import Context, Provider, ProviderPlugin, hookimpl
from purveyor_dcgm._config import Settings


async def build(settings: Settings, ctx: Context) -> Provider:
    """Exporters to scrape, servers to query, or both."""
    from purveyor_dcgm._provider import Dcgm  # noqa: PLC0415 - brings HTTP client and decoder
    from purveyor_prometheus.sources import open_sources  # noqa: PLC0415 - likewise

    return Dcgm(settings, ctx, await open_sources(settings, ctx))


PLUGIN = ProviderPlugin(
    name="dcgm",
    factory=build,
    config_type=Settings,
    facets=frozenset({"metrics"}),
    capabilities=frozenset({"containers", "gpus", "promql", "scrape"}),
    sandbox="purveyor_dcgm.sandbox:DcgmSandbox",
)


@hookimpl
def purveyor_register_providers() -> list[ProviderPlugin]:
    """Offer the provider type ``dcgm``."""
    return [PLUGIN]
