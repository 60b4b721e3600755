"""A node of the chain: its REST, as honest, as old, as bare or as lying as it is told to be."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, Literal

import attrs

from purveyor_testing.sandbox import Answer, Call, Entry, Refusal, Route, Sandbox, Why
from purveyor_virtengine.sandbox._chain import LEASE_STATES, Chain, Lease, Provider
from purveyor_virtengine.sandbox._keys import from_bech32, to_bech32
from purveyor_virtengine.sandbox._paging import asked, envelope, page_by_state, page_of
from purveyor_virtengine.sandbox._record import Record
from purveyor_virtengine.sandbox._rows import (
    block_row,
    deployment_row,
    deployment_state,
    lease_row,
    provider_row,
)

Lie = Literal["loop", "endless", "repeat"]
"""About pages: the next key is always the one just used; there is always one more page, with rows that nobody has
ever seen; each page begins with the last row of the one before."""

GRPC_CODE = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 501: 12, 503: 14}


@attrs.define(eq=False, kw_only=True, slots=False)
class ChainNode(Sandbox):
    """One node's REST gateway. What it serves may be changed at any time."""

    chain: Chain = attrs.field(init=False, repr=False)
    """What this node believes; give it a fork and it tells something else."""
    record: Record = attrs.field(init=False, repr=False)
    rest: bool = True
    """False: 501 for everything that is VirtEngine's own, as nodes of today's main branch answer. Blocks are still served."""
    provider_versions: tuple[str, ...] = ("v1beta4",)
    """Under which versions providers are served; any other is not implemented."""
    lease_versions: tuple[str, ...] = ("v1beta5",)
    lag: float = 0.0
    """Seconds that this node is behind."""
    lie: Lie | None = None
    api_key: str | None = attrs.field(default=None, repr=False)
    """What a gateway in front asks for (``x-api-key``)."""
    _last_row: dict[str, Any] = attrs.field(factory=dict, init=False, repr=False)
    refusals: ClassVar[Mapping[Why, tuple[int, str]]] = {
        **Sandbox.refusals,
        "not_found": (501, "Not Implemented"),  # what nobody has registered
    }
    path_prefix: str = ""
    """A path in front of everything, such as a gateway adds: ``/v1/chain``."""

    @property
    def base_url(self) -> str:
        """The node's REST, with the gateway's path."""
        return self.origin + self.path_prefix

    def routes(self) -> Iterable[Route]:
        """Read only, as the gateway is."""
        provider = "/virtengine/provider/{version}/providers"
        deployments = "/virtengine/deployment/v1beta4/deployments"
        leases = "/virtengine/market/{version}/leases"
        base = "/cosmos/base/tendermint/v1beta1"
        return (
            Route("GET", provider, self._providers, scope="provider"),
            Route("GET", f"{provider}/{{owner}}", self._provider, scope="provider"),
            Route("GET", f"{deployments}/list", self._deployments, scope="deployment"),
            Route("GET", f"{deployments}/info", self._deployment, scope="deployment"),
            Route("GET", f"{leases}/list", self._leases, scope="market"),
            Route("GET", f"{leases}/info", self._lease, scope="market"),
            Route("GET", f"{base}/blocks/latest", self._latest),
            Route("GET", f"{base}/blocks/{{height}}", self._block),
            Route("GET", f"{base}/node_info", self._node_info),
            Route("GET", f"{base}/syncing", self._syncing),
        )

    def note(self, call: Call, entry: Entry) -> None:
        """Write down whatever is signed: nobody should sign for a node."""
        self.record.arrived(call, entry)

    def authenticate(self, call: Call) -> None:
        """The chain is public; a gateway in front of it may not be."""
        if not f"{call.path}/".startswith(f"{self.path_prefix}/"):
            raise Refusal(404, "no Route matched with those values")
        call.path = call.path.removeprefix(self.path_prefix)
        if (
            self.api_key is not None
            and call.headers.get("x-api-key", call.headers.get("apikey")) != self.api_key
        ):
            raise Refusal(401, "No API key found in request")

    def require(self, call: Call, scope: str) -> None:
        """Not a scope: whether this node has that part of the gateway at all."""
        served = {"provider": self.provider_versions, "market": self.lease_versions}.get(scope, ())
        version = call.path.split("/")[3] if scope in ("provider", "market") else None
        if scope and (not self.rest or (version is not None and version not in served)):
            raise Refusal(501, "Not Implemented")

    def error(self, call: Call, refusal: Refusal) -> Answer:
        """The gateway's shape."""
        del call
        body = {"code": GRPC_CODE.get(refusal.status, 2), "message": refusal.message, "details": []}
        return Answer.json(body, refusal.status, refusal.headers)

    def headers(self, call: Call) -> Mapping[str, str]:
        """The height that was asked."""
        del call
        return {"Grpc-Metadata-X-Cosmos-Block-Height": str(self.chain.height(self.lag))}

    # Providers.

    def _providers(self, call: Call) -> Answer:
        if self.lie == "endless":
            owner = to_bech32(self.chain.prefix, self.chance.data("endless", 20))
            invented = Provider(owner, f"https://{owner[-8:]}.example.net:8443")
            return self._without_end("providers", [provider_row(invented)])
        shown, pagination = page_of(self.chain.providers.values(), _provider_key, asked(call))
        return self._page("providers", [provider_row(one) for one in shown], pagination, call)

    def _page(self, name: str, rows: list[Any], pagination: dict[str, Any], call: Call) -> Answer:
        """A page as it is, or as a liar tells it."""
        key, last = call.query.get("pagination.key"), self._last_row.get(name)
        self._last_row[name] = rows[-1] if rows else None
        if self.lie == "repeat" and key and last is not None:
            rows = [last, *rows]
        if self.lie == "loop" and (key or pagination["next_key"] is None):
            pagination = {**pagination, "next_key": key or envelope(b"\1", 0)["next_key"]}
        return Answer.json({name: rows, "pagination": pagination})

    def _without_end(self, name: str, rows: list[Any]) -> Answer:
        return Answer.json({name: rows, "pagination": envelope(self.chance.data("endless", 12), 0)})

    def _provider(self, call: Call) -> Answer:
        owner = call.params["owner"]
        try:
            from_bech32(owner)
        except ValueError:
            raise Refusal(400, "invalid address") from None
        provider = self.chain.providers.get(owner)
        if provider is None:
            raise Refusal(404, "invalid provider: address not found")
        return Answer.json({"provider": provider_row(provider)})

    # Deployments and leases.

    def _leases(self, call: Call) -> Answer:
        found = [one for one in self.chain.leased() if _fits(one, call.query, "filters.")]
        height = self.chain.height(self.lag)
        if self.lie == "endless":
            return self._without_end("leases", [lease_row(one, height) for one in self._invented(found)])
        shown, pagination = page_by_state(
            found, LEASE_STATES, lambda one: one.state, lambda one: one.key, call
        )
        return self._page("leases", [lease_row(one, height) for one in shown], pagination, call)

    def _invented(self, found: Sequence[Lease]) -> list[Lease]:
        """A lease like the first, of a deployment that does not exist."""
        return [attrs.evolve(one, dseq=self.chance.number("endless", one.dseq)) for one in found[:1]]

    def _lease(self, call: Call) -> Answer:
        for one in self.chain.leased():
            if _fits(one, call.query, "id.", exact=True):
                return Answer.json(lease_row(one, self.chain.height(self.lag)))
        raise Refusal(404, "lease not found")

    def _deployments(self, call: Call) -> Answer:
        found = [group for group in self._grouped() if _fits(group[0], call.query, "filters.")]
        if self.lie == "endless":
            groups = [self._invented(group) for group in found[:1]]
            return self._without_end("deployments", [deployment_row(one, self.chain) for one in groups])
        shown, pagination = page_by_state(
            found, ("active", "closed"), deployment_state, _deployment_key, call
        )
        return self._page("deployments", [deployment_row(one, self.chain) for one in shown], pagination, call)

    def _deployment(self, call: Call) -> Answer:
        for group in self._grouped():
            if _fits(group[0], call.query, "id.", names=("owner", "dseq")):
                return Answer.json(deployment_row(group, self.chain))
        raise Refusal(404, "deployment not found")

    def _grouped(self) -> list[list[Lease]]:
        return [list(group) for _, group in groupby(self.chain.leased(), lambda one: (one.owner, one.dseq))]

    # Blocks.

    def _latest(self, call: Call) -> Answer:
        del call
        return Answer.json(block_row(self.chain, self.chain.height(self.lag)))

    def _block(self, call: Call) -> Answer:
        text = call.params["height"]
        if not text.isdecimal() or int(text) < 1:
            raise Refusal(400, "height must be greater than 0")
        if int(text) > self.chain.height(self.lag):
            raise Refusal(400, "requested block height is bigger then the chain length")
        return Answer.json(block_row(self.chain, int(text)))

    def _node_info(self, call: Call) -> Answer:
        del call
        info = {"network": self.chain.chain_id, "moniker": self.server_name, "version": "0.38.17"}
        return Answer.json({"default_node_info": info, "application_version": {"name": "virtengine"}})

    def _syncing(self, call: Call) -> Answer:
        del call
        return Answer.json({"syncing": self.lag > self.chain.block_seconds})


def _provider_key(provider: Provider) -> bytes:
    return from_bech32(provider.owner)


def _deployment_key(group: Sequence[Lease]) -> bytes:
    return group[0].key


def _fits(
    lease: Lease,
    query: Mapping[str, str],
    prefix: str,
    *,
    names: Sequence[str] = ("owner", "dseq", "gseq", "oseq", "provider"),
    exact: bool = False,
) -> bool:
    """Whether a lease is meant; a filter that is absent, empty or 0 is none."""
    for name in names:
        wanted = query.get(prefix + name, "")
        if exact and not wanted:
            raise Refusal(400, "invalid request")
        if wanted not in ("", "0") and wanted != str(getattr(lease, name)):
            return False
    return True
