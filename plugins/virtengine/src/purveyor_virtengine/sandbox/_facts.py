"""What a daemon says of itself: health and provider facts, for everybody."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from purveyor_testing.sandbox import Answer, Call, Route, rfc3339
from purveyor_virtengine.sandbox._words import TEXT

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon

VERSION = "0.9.1"


@attrs.define(eq=False)
class Facts:
    """``/health`` and ``/provider/…``."""

    _daemon: "ProviderDaemon"

    def routes(self) -> Iterable[Route]:
        """All are public; a signature is only checked if there is one."""
        return (
            Route("GET", "/health", self._health, scope="public"),
            Route("GET", "/provider/info", self._info, scope="optional"),
            Route("GET", "/provider/pricing", self._pricing, scope="optional"),
            Route("GET", "/provider/capacity", self._capacity, scope="optional"),
            Route("GET", "/provider/attributes", self._attributes, scope="optional"),
        )

    def _health(self, call: Call) -> Answer:
        del call
        daemon = self._daemon
        if daemon.dialect == "go":
            return Answer(200, b"ok", TEXT)
        now = daemon.clock.now
        body = {
            "status": daemon.health,
            "version": VERSION,
            "uptime_seconds": int(now - daemon.started_at),
            "timestamp": rfc3339(now),
        }
        return Answer.json(body, 503 if daemon.health == "down" else 200)

    def _info(self, call: Call) -> Answer:
        del call
        daemon = self._daemon
        if not daemon.described:
            none = dict.fromkeys(("address", "name", "version", "chain_id", "region"), "")
            return Answer.json({**none, "endpoints": {"rest": "", "websocket": ""}})
        attributes = self._announced()
        websocket = daemon.origin.replace("http", "ws", 1)
        return Answer.json(
            {
                "address": daemon.address,
                "name": attributes.get("organization", ""),
                "version": VERSION,
                "chain_id": daemon.chain_id,
                "capabilities": ["logs", "shell"],
                "region": attributes.get("region", ""),
                "endpoints": {"rest": daemon.origin, "websocket": websocket},
                **daemon.claims,
            }
        )

    def _announced(self) -> dict[str, str]:
        provider = self._daemon.chain.providers.get(self._daemon.address)
        return dict(provider.attributes) if provider is not None else {}

    def _pricing(self, call: Call) -> Answer:
        del call
        if not self._daemon.described:
            empty = {"unit": "", "price": "", "interval": ""}
            return Answer.json(
                {"currency": "", "cpu": empty, "memory": empty, "storage": empty, "gpu": empty}
            )

        def price(unit: str, amount: int) -> dict[str, str]:
            return {"unit": unit, "price": str(amount), "interval": "hourly"}

        return Answer.json(
            {
                "currency": "uve",
                "cpu": price("core", 120),
                "memory": price("GB", 30),
                "storage": price("GB", 2),
                "gpu": price("unit", 4000),
            }
        )

    def _capacity(self, call: Call) -> Answer:
        del call
        known: Any = {"cpu_cores": 64, "memory_gb": 256, "storage_gb": 4096, "gpu_units": 8}
        return Answer.json(known if self._daemon.described else dict.fromkeys(known, 0))

    def _attributes(self, call: Call) -> Answer:
        del call
        return Answer.json({"attributes": self._announced() if self._daemon.described else None})
