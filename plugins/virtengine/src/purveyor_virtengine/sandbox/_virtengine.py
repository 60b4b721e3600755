"""A whole VirtEngine on loopback: nodes of a chain, any number of providers, and a wallet that has leases."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import attrs

from purveyor_testing.sandbox import Route
from purveyor_virtengine.sandbox._certificates import Authority
from purveyor_virtengine.sandbox._chain import FIRST_HEIGHT, Chain, Lease, Provider
from purveyor_virtengine.sandbox._commands import Commands
from purveyor_virtengine.sandbox._daemon import ProviderDaemon
from purveyor_virtengine.sandbox._keys import Wallet, to_bech32
from purveyor_virtengine.sandbox._node import ChainNode
from purveyor_virtengine.sandbox._record import Record, Signature

Server = TypeVar("Server", ChainNode, ProviderDaemon)

REGIONS = ("eu-north", "eu-west", "us-east", "us-west", "ap-south")
SAID = ("listening on :80", "connected to the database", "ready", "request served", "request served")

CHATTER = 2.0
"""Seconds after which a followed log says something by itself, where everything takes its real time."""


@attrs.define(eq=False, kw_only=True, slots=False)
class VirtEngineSandbox(ChainNode):
    """``async with VirtEngineSandbox(seed=1, providers=3) as cloud:``; it is itself the first node of the chain.

    The `log` is one for all servers and says which server each request came to.
    """

    providers: int = 3
    """How many there are from the start, each on a port of its own."""
    further_nodes: int = 0
    """Nodes beside this one."""
    chain_id: str = "virtengine-1"
    address_prefix: str = "ve"
    furnished: bool = True
    """Whether the wallet has leases from the start: one deployment at the first provider, one over the first two, one
    that is closed."""
    behaviour: dict[str, Any] = attrs.field(factory=dict)
    """How the providers behave that are there from the start."""

    wallet: Wallet = attrs.field(init=False)
    """The account that owns the leases."""
    daemons: list[ProviderDaemon] = attrs.field(factory=list, init=False, repr=False)
    nodes: list[ChainNode] = attrs.field(factory=list, init=False, repr=False)
    """This one and the further ones."""

    name: ClassVar[str] = "virtengine"

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.server_name = "chain"
        self.wallet = Wallet(self.chance.data("wallet", 32).hex(), self.address_prefix)
        self.chain = Chain(self.clock, self.seed, self.chain_id, self.address_prefix)
        self.record = Record(self.chain)
        self.nodes = [self, *(self._further(number) for number in range(self.further_nodes))]
        chatter = {"chatter_seconds": CHATTER} if self.speed == "real" else {}
        for _ in range(self.providers):
            self.new_provider(**{**chatter, **self.behaviour})
        if self.furnished:
            self._furnish()

    def _further(self, number: int) -> ChainNode:
        node = ChainNode(seed=self.seed + number + 1)
        node.server_name = f"chain-{number + 2}"
        return self._joined(node)

    def _joined(self, server: Server) -> Server:
        """A server of this sandbox: the same time, log and chain."""
        server.clock, server.truth = self.clock, self.truth
        server.chain, server.record = self.chain, self.record
        return server

    def _furnish(self) -> None:
        if self.daemons:
            self.rent(self.daemons[0], name="web", count=2)
            api = self.rent(self.daemons[0], name="api", price="4.5")
            if len(self.daemons) > 1:
                self.rent(self.daemons[1], dseq=api.dseq, gseq=2, name="db", price="21")
            self.rent(self.daemons[0], name="old").close(FIRST_HEIGHT - 10)
        for lease in self.chain.leases:
            daemon = self.daemon(lease.provider)
            for words in SAID:
                daemon.say(daemon.id_of(lease), words)

    # Providers.

    @cached_property
    def authority(self) -> Authority:
        """Who vouches for the certificates of providers that have one, made when it is first asked for."""
        return Authority()

    def new_provider(self, **behaviour: Any) -> ProviderDaemon:
        """A provider that is neither on the chain nor serving yet: ``await daemon.start()``, then ``announce`` it."""
        number = len(self.daemons) + 1
        address = to_bech32(self.address_prefix, self.chance.data("provider", 20))
        daemon = ProviderDaemon(
            seed=self.seed * 100_003 + number, address=address, **{"chain_id": self.chain_id, **behaviour}
        )
        daemon.server_name = f"provider-{number}"
        daemon.authority = lambda: self.authority  # which is not made where all is plain http
        self.daemons.append(self._joined(daemon))
        return daemon

    async def add_provider(self, **behaviour: Any) -> ProviderDaemon:
        """A provider that serves and is on the chain."""
        daemon = await self.new_provider(**behaviour).start()
        self.announce(daemon)
        return daemon

    def announce(self, daemon: ProviderDaemon, host_uri: str | None = None, **more: Any) -> Provider:
        """Put a provider on the chain, or change what stands there; its address unless told otherwise."""
        number = self.daemons.index(daemon)
        attributes = [
            ("region", REGIONS[number % len(REGIONS)]),
            ("organization", f"Provider {number + 1}"),
            ("capabilities/storage/1/class", "beta2"),
            ("capabilities/storage/1/class", "beta3"),
        ]
        known = {"attributes": attributes, "email": "ops@example.net", "website": "https://example.net"}
        provider = Provider(daemon.address, host_uri or daemon.origin, **{**known, **more})
        self.chain.providers[daemon.address] = provider
        return provider

    def withdraw(self, daemon: ProviderDaemon) -> None:
        """Take a provider off the chain; it goes on serving."""
        self.chain.providers.pop(daemon.address, None)

    async def move(self, daemon: ProviderDaemon) -> None:
        """Let a provider serve on another port from now on, and say so on the chain."""
        await daemon.stop()
        daemon.port = 0
        await daemon.start()
        self.announce(daemon)

    def daemon(self, name: str) -> ProviderDaemon:
        """The one with this address or this name, such as ``provider-1``."""
        for one in self.daemons:
            if name in (one.address, one.server_name):
                return one
        raise LookupError(f"there is no provider {name}")

    # Leases and signatures.

    def rent(self, daemon: ProviderDaemon, *, dseq: int | None = None, **terms: Any) -> Lease:
        """A lease, of the wallet unless `owner` is told; a deployment of its own unless `dseq` is."""
        created = min(self.chain.height(), FIRST_HEIGHT) - 1000 + len(self.chain.leases)
        number = dseq or self.chance.number("dseq", FIRST_HEIGHT - 3000)
        known = {"owner": self.wallet.address, "dseq": number, "created_at": created}
        lease = Lease(provider=daemon.address, **{**known, **terms})
        self.chain.leases.append(lease)
        return lease

    def close(self, lease: Lease) -> None:
        """End a lease now."""
        lease.close(self.chain.height())

    @property
    def signatures(self) -> Sequence[Signature]:
        """Every signature that arrived at any server, oldest first."""
        return self.record.signatures()

    @property
    def strays(self) -> Sequence[Signature]:
        """Signatures that came to somebody whom no active lease of the signer names: there must never be one."""
        return [one for one in self.signatures if not one.named]

    # Serving.

    def control_routes(self) -> Iterable[Route]:
        """What is told over HTTP; see `Commands`."""
        return Commands(self).routes()

    async def start(self) -> "VirtEngineSandbox":
        """Serve with everybody."""
        for daemon in self.daemons:
            await daemon.start()
            self.announce(daemon)
        for node in self.nodes[1:]:
            await node.start()
        await super().start()
        return self

    async def stop(self) -> None:
        """Stop with everybody."""
        await super().stop()
        await asyncio.gather(*(one.stop() for one in [*self.nodes[1:], *self.daemons]))

    def settings(self) -> dict[str, Any]:
        """A configuration for the wallet, which may reach the providers at their loopback addresses."""
        further: dict[str, Any] = {}
        if self.further_nodes:
            further["nodes"] = [one.base_url for one in self.nodes[1:]]
        if any(one.certificate != "none" for one in self.daemons):
            further["ca_file"] = self.authority.ca_file
        return {
            "base_url": self.base_url,
            **further,
            "chain_id": self.chain_id,
            "prefix": self.address_prefix,
            "key": self.wallet.private_key,
            "veid_score": 85,
            "allow_private": [one.address for one in self.daemons],
        }

    def ready(self) -> dict[str, Any]:
        """Settings, the account, and where it is controlled."""
        return {**self.settings(), "address": self.wallet.address, "control_url": self.control_url}
