"""What the plugin host loads: the descriptor. Whatever is heavy is imported when a provider is built."""

from __future__ import annotations

from purveyor.plugin import Context, Marking, Provider, ProviderPlugin, Rate, hookimpl
from purveyor_linode._config import BASE_URL, Settings


async def build(settings: Settings, ctx: Context) -> Provider:
    """One Linode account."""
    from purveyor_linode._provider import Linode  # noqa: PLC0415 - brings HTTP client and decoder

    return Linode(settings, ctx, await ctx.resolve(settings.token))


PLUGIN = ProviderPlugin(
    name="linode",
    factory=build,
    config_type=Settings,
    facets=frozenset({"compute", "catalog", "credentials", "billing", "marks"}),
    capabilities=frozenset(
        {
            "backups",
            "firewalls",
            "gpu",
            "ipv6",
            "linodes",
            "rebuild",
            "resize",
            "snapshots",
            "ssh_keys",
            "stackscripts",
            "tags",
            "user_data",
        }
    ),
    default_base_url=BASE_URL,
    # No lag of the lists has been reported: both are caution, for answers that were lost.
    visibility_grace=60.0,
    late_commit_bound=90.0,
    # Labels are unique in an account: a create that is sent again is refused once the first has made its Linode.
    marking=Marking.NAME,
    # Per user and operation (Akamai's "Rate limits", 2026-09). What the headers say goes before it: some were raised.
    rates={
        "create": Rate(20, 15, in_headers=True),
        "default": Rate(1600, 60, in_headers=True),
        "images": Rate(20, 60, in_headers=True),
        "lists": Rate(200, 60, in_headers=True),
        "stackscripts": Rate(60, 60, in_headers=True),
    },
    sandbox="purveyor_linode.sandbox:LinodeSandbox",
)


@hookimpl
def purveyor_register_providers() -> list[ProviderPlugin]:
    """Offer the provider type ``linode``."""
    return [PLUGIN]
