"""The world by control requests, for tests in any language."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs

from purveyor_testing.sandbox import Answer, Call, Refusal, Route
from purveyor_virtengine.sandbox._behaviour import Behaviour

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon
    from purveyor_virtengine.sandbox._node import ChainNode
    from purveyor_virtengine.sandbox._virtengine import VirtEngineSandbox

BEHAVIOUR = frozenset(one.name for one in attrs.fields(Behaviour))
NODE = ("rest", "lie", "lag", "provider_versions", "lease_versions")
TERMS = (
    "dseq",
    "gseq",
    "owner",
    "state",
    "denom",
    "price",
    "name",
    "cpu",
    "memory",
    "storage",
    "gpu",
    "count",
)


@attrs.define(eq=False)
class Commands:
    """Below ``control_url``: ``GET /world``, ``GET /signatures``, ``POST /providers`` and so on."""

    _cloud: "VirtEngineSandbox"

    def routes(self) -> Iterable[Route]:
        """Providers go by name (``provider-1``) or address, nodes by number from 0."""
        one = "/providers/{name}"
        return (
            Route("GET", "/world", self._world),
            Route("GET", "/signatures", self._signatures),
            Route("POST", "/providers", self._add),
            Route("PATCH", one, self._behave),
            Route("POST", f"{one}/hostile", self._hostile),
            Route("POST", f"{one}/say", self._say),
            Route("POST", f"{one}/announce", self._announce),
            Route("POST", f"{one}/withdraw", self._withdraw),
            Route("POST", f"{one}/offline", lambda call: self._later(self._named(call).stop)),
            Route("POST", f"{one}/online", lambda call: self._later(self._named(call).start)),
            Route("POST", f"{one}/move", self._move),
            Route("PATCH", "/nodes/{number}", self._bend),
            Route("POST", "/leases", self._rent),
            Route("POST", "/leases/{dseq}/close", self._close),
        )

    @staticmethod
    def _later(first: Callable[[], Awaitable[object]]) -> Answer:
        return Answer(204, first=first)

    def _named(self, call: Call) -> "ProviderDaemon":
        try:
            return self._cloud.daemon(call.params["name"])
        except LookupError as error:
            raise Refusal(404, str(error)) from None

    def _world(self, call: Call) -> Answer:
        del call
        cloud = self._cloud
        return Answer.json(
            {
                **cloud.ready(),
                "height": cloud.chain.height(),
                "nodes": [_node(one) for one in cloud.nodes],
                "providers": [self._told(one) for one in cloud.daemons],
                "leases": [attrs.asdict(one) for one in cloud.chain.leased()],
            }
        )

    def _told(self, daemon: "ProviderDaemon") -> dict[str, Any]:
        announced = self._cloud.chain.providers.get(daemon.address)
        return {
            "name": daemon.server_name,
            "address": daemon.address,
            "base_url": daemon.base_url,
            "control_url": daemon.control_url,
            "host_uri": announced.host_uri if announced is not None else None,
            "connections": daemon.connections,
        }

    def _signatures(self, call: Call) -> Answer:
        del call
        return Answer.json([attrs.asdict(one) for one in self._cloud.signatures])

    def _add(self, call: Call) -> Answer:
        body = call.json()
        _check(body, BEHAVIOUR)
        daemon = self._cloud.new_provider(**body)

        async def serve() -> None:
            await daemon.start()
            self._cloud.announce(daemon)

        told = {"name": daemon.server_name, "address": daemon.address}
        return attrs.evolve(Answer.json(told, 201), first=serve)

    def _behave(self, call: Call) -> Answer:
        daemon, body = self._named(call), call.json()
        _check(body, BEHAVIOUR)
        for key, value in body.items():
            setattr(daemon, key, value)
        return Answer(204)

    def _hostile(self, call: Call) -> Answer:
        daemon, body = self._named(call), call.json()
        if body.get("way") is None:
            daemon.behave()
        else:
            daemon.turn_hostile(**body)
        return Answer(204)

    def _say(self, call: Call) -> Answer:
        body = call.json()
        id_, message = str(body.get("deployment")), str(body.get("message", ""))
        try:
            self._named(call).say(id_, message, str(body.get("level", "info")))
        except LookupError as error:
            raise Refusal(404, str(error)) from None
        return Answer(204)

    def _announce(self, call: Call) -> Answer:
        body = call.json()
        _check(body, frozenset({"host_uri", "attributes", "row"}))
        if "attributes" in body:
            body["attributes"] = [(one["key"], one["value"]) for one in body["attributes"]]
        self._cloud.announce(self._named(call), **body)
        return Answer(204)

    def _withdraw(self, call: Call) -> Answer:
        self._cloud.withdraw(self._named(call))
        return Answer(204)

    def _move(self, call: Call) -> Answer:
        daemon = self._named(call)
        return self._later(lambda: self._cloud.move(daemon))

    def _bend(self, call: Call) -> Answer:
        number, body = call.params["number"], call.json()
        _check(body, frozenset({*NODE, "fork"}))
        if not number.isdecimal() or int(number) >= len(self._cloud.nodes):
            raise Refusal(404, f"there is no node {number}")
        node = self._cloud.nodes[int(number)]
        if "fork" in body:
            node.chain = self._cloud.chain.fork() if body["fork"] is not None else self._cloud.chain
            for owner, host_uri in (body.pop("fork") or {}).items():
                node.chain.providers[owner].host_uri = host_uri
        for key, value in body.items():
            setattr(node, key, value)
        return Answer(204)

    def _rent(self, call: Call) -> Answer:
        body = call.json()
        _check(body, frozenset({"provider", *TERMS}))
        call.params["name"] = str(body.pop("provider", "provider-1"))
        lease = self._cloud.rent(self._named(call), **body)
        return Answer.json(attrs.asdict(lease), 201)

    def _close(self, call: Call) -> Answer:
        for lease in self._cloud.chain.leased():
            if str(lease.dseq) == call.params["dseq"]:
                self._cloud.close(lease)
        return Answer(204)


def _node(node: "ChainNode") -> dict[str, Any]:
    return {"base_url": node.base_url, "control_url": node.control_url, "rest": node.rest, "lie": node.lie}


def _check(body: dict[str, Any], known: frozenset[str]) -> None:
    if unknown := body.keys() - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
