"""What a wallet and all the providers that it found have in common: the chain, the leases, the signature."""

from __future__ import annotations

import attrs

from purveyor.plugin import ConfigurationError, Context, MissingCredentialsError
from purveyor.wire import BearerAuth, Client, Replicas, Signer
from purveyor_virtengine._blocks import Stopwatch
from purveyor_virtengine._chain import Chain
from purveyor_virtengine._config import BASE_URL, Settings
from purveyor_virtengine._errors import NoRestError, of_the_request, translate_chain
from purveyor_virtengine._keys import Key, RemoteKey, from_hex, from_mnemonic, load_sign, public_bytes
from purveyor_virtengine._leases import Leases
from purveyor_virtengine._wallet import HmacSigner, WalletSigner

__all__ = ["Found", "Home", "make_home"]


@attrs.frozen(eq=False)
class Home:
    """What a wallet and all the providers that it found have in common.

    Attributes:
        chain: Where providers and leases are.
        stopwatch: Measures the pace of blocks.
        signer: Signs requests; None where there is no wallet.
        known_leases: Those of the owner; None where there is no owner.
    """

    chain: Chain
    stopwatch: Stopwatch
    signer: Signer | None
    known_leases: Leases | None

    @property
    def leases(self) -> Leases:
        """The owner's leases.

        Raises:
            MissingCredentialsError: Nobody said who the owner is.
        """
        if self.known_leases is None:
            raise MissingCredentialsError(
                "whose deployments? Give the wallet's key, or owner to look at somebody's", field="owner"
            )
        return self.known_leases

    @property
    def sign(self) -> Signer:
        """What signs.

        Raises:
            MissingCredentialsError: There is no wallet; nothing is sent unsigned instead.
        """
        if self.signer is None:
            raise MissingCredentialsError(
                "providers only tell those who sign: a key, a mnemonic, a signer or an hmac_secret is needed",
                field="key",
            )
        return self.signer


@attrs.frozen(kw_only=True)
class Found(Settings):
    """Settings of a provider that was found: its parent's, and where it is.

    Attributes:
        provider: Its address on the chain.
        endpoint: Where its API is.
        home: What it has in common with its parent.
    """

    provider: str
    endpoint: str
    home: Home = attrs.field(repr=False)


async def make_home(settings: Settings, ctx: Context) -> Home:
    """The chain and the wallet of a configuration.

    Raises:
        ConfigurationError: The settings do not fit together, or an address or a key is none.
    """
    nodes = Replicas(
        await _clients(settings, ctx),
        ctx.clock,
        of_the_request=of_the_request,
        least=NoRestError,
        called="nodes",
    )
    chain = Chain(nodes, settings.chain_id)
    signer = await _signer(settings, ctx)
    owner = settings.owner or (signer.principal if signer else None)
    return Home(
        chain=chain,
        stopwatch=Stopwatch(chain, ctx.clock),
        signer=signer,
        known_leases=Leases(chain, owner, ctx.clock, settings.leases_ttl) if owner else None,
    )


async def _clients(settings: Settings, ctx: Context) -> list[tuple[str, Client]]:
    key = await ctx.resolve(settings.api_key) if settings.api_key else None
    auth = None if key is None else BearerAuth(key, scheme="", header="x-api-key")
    addresses = [address.rstrip("/") for address in (ctx.settings.base_url or BASE_URL, *settings.nodes)]
    return [
        (
            address,
            # The address is configured, not found: it may be in the local network.
            Client(ctx, base_url=address, auth=auth, translate=translate_chain, guarded=False),
        )
        for address in dict.fromkeys(addresses)
    ]


async def _signer(settings: Settings, ctx: Context) -> WalletSigner | HmacSigner | None:
    ways = {name: getattr(settings, name) for name in ("key", "mnemonic", "signer", "hmac_secret")}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ConfigurationError(f"{given[0]} cannot be given beside {given[1]}", field=given[1])
    for name, partner in (("signer", "public_key"), ("hmac_secret", "principal")):
        if (ways[name] is None) is not (getattr(settings, partner) is None):
            raise ConfigurationError(f"{name} and {partner} are given together or not at all", field=partner)
    if settings.hmac_secret is not None and settings.principal is not None:
        secret = await ctx.resolve(settings.hmac_secret)
        return HmacSigner(secret, principal=settings.principal, clock=ctx.clock)
    key = await _key(settings, ctx)
    if key is None:
        return None
    return WalletSigner(key, prefix=settings.prefix, chain_id=settings.chain_id, clock=ctx.clock)


async def _key(settings: Settings, ctx: Context) -> Key | None:
    if settings.key is not None:
        return from_hex(await ctx.resolve(settings.key))
    if settings.mnemonic is not None:
        return from_mnemonic(await ctx.resolve(settings.mnemonic), settings.derivation)
    if settings.signer is not None and settings.public_key is not None:
        return RemoteKey(load_sign(settings.signer), public_bytes(settings.public_key))
    return None
