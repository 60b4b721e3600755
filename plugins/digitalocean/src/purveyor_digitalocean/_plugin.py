"""What the plugin host loads: the descriptor. Whatever is heavy is imported when a provider is built."""

from __future__ import annotations

from purveyor.plugin import Context, Provider, ProviderPlugin, Rate, hookimpl
from purveyor_digitalocean._config import BASE_URL, Settings


async def build(settings: Settings, ctx: Context) -> Provider:
    """One DigitalOcean account."""
    from purveyor_digitalocean._provider import DigitalOcean  # noqa: PLC0415 - brings HTTP client and decoder

    return DigitalOcean(settings, ctx, await ctx.resolve(settings.token))


PLUGIN = ProviderPlugin(
    name="digitalocean",
    factory=build,
    config_type=Settings,
    facets=frozenset({"compute", "catalog", "credentials", "billing", "marks"}),
    capabilities=frozenset(
        {
            "backups",
            "droplets",
            "gpu",
            "ipv6",
            "monitoring",
            "rebuild",
            "resize",
            "snapshots",
            "ssh_keys",
            "tags",
            "user_data",
            "vpc",
        }
    ),
    default_base_url=BASE_URL,
    # Lists have been seen to lag a create by seconds; tags are put on only after it.
    visibility_grace=60.0,
    # The edge in front of the API gives up on its own servers after 100 s, most of it after our timeout.
    late_commit_bound=90.0,
    # Per token (DigitalOcean API reference, "Rate Limit"). The headers tell the limit of the hour, 5,000, and no other.
    rates={"*": Rate(250, 60), "keys": Rate(10, 60)},
    sandbox="purveyor_digitalocean.sandbox:DigitalOceanSandbox",
)


@hookimpl
def purveyor_register_providers() -> list[ProviderPlugin]:
    """Offer the provider type ``digitalocean``."""
    return [PLUGIN]
