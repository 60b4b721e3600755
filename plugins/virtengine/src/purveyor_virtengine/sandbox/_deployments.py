"""Deployments at their provider: metrics and events of the Go daemon; list, detail and status of its description."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from purveyor_testing.sandbox import Answer, Call, Refusal, Route, Socket, compact, rfc3339
from purveyor_virtengine.sandbox import _asking as asking
from purveyor_virtengine.sandbox._feed import next_or_none
from purveyor_virtengine.sandbox._runtime import Runtime
from purveyor_virtengine.sandbox._words import text

if TYPE_CHECKING:
    from purveyor_virtengine.sandbox._daemon import ProviderDaemon

FIVE_MINUTES = 300.0


@attrs.define(eq=False)
class Deployments:
    """``/deployments/…`` apart from actions, logs and shells."""

    _daemon: "ProviderDaemon"

    def routes(self) -> Iterable[Route]:
        """What the Go server lacks is there for the other dialect only."""
        one = "/deployments/{id}"
        return (
            Route("GET", "/deployments", self._list, scope="principal"),
            Route("GET", one, self._detail, scope="owner"),
            Route("GET", f"{one}/status", self._status, scope="owner"),
            Route("GET", f"{one}/metrics", self._metrics, scope="owner"),
            Route("GET", f"{one}/metrics/history", self._history, scope="owner"),
            Route("GET", f"{one}/metrics/stream", self._stream, scope="owner"),
            Route("GET", f"{one}/events", self._events, scope="owner"),
            Route("GET", "/metrics/aggregate", self._aggregate, scope="principal"),
        )

    def exists(self, template: str) -> bool:
        """Whether this daemon's router knows a path of ours."""
        if template.endswith("/metrics/stream"):
            return self._daemon.metrics_stream
        described = template.endswith(("/deployments", "/deployments/{id}", "/status"))
        return self._daemon.dialect == "openapi" or not described

    def _runtime(self, call: Call) -> Runtime:
        found = self._daemon.runtime(call.params["id"])
        if found is None:
            raise Refusal(404, "deployment not found")
        return found

    # Of the description.

    def _summary(self, runtime: Runtime) -> dict[str, Any]:
        return {
            "id": runtime.id,
            "owner": runtime.leases[0].owner,
            "provider": self._daemon.address,
            "state": runtime.state(),
            "created_at": rfc3339(runtime.began),
            "updated_at": rfc3339(self._daemon.clock.now),
        }

    def _list(self, call: Call) -> Answer:
        daemon = self._daemon
        mine = daemon.chain.leased(owner=call.token, provider=daemon.address)
        ids = dict.fromkeys(daemon.id_of(one) for one in mine)
        wanted = call.query.get("status", "")
        rows = [self._summary(daemon.deployment(id_)) for id_ in ids]
        shown, cursor = asking.page([one for one in rows if wanted in ("", one["state"])], call)
        return Answer.json({"deployments": shown, **cursor})

    def _detail(self, call: Call) -> Answer:
        runtime = self._runtime(call)
        more = {"resources": runtime.metrics(), "services": runtime.services(), "metadata": {}}
        return Answer.json({**self._summary(runtime), **more})

    def _status(self, call: Call) -> Answer:
        runtime = self._runtime(call)
        total = sum(one.count for one in runtime.leases)
        return Answer.json(
            {
                "lease_id": runtime.id,
                "state": runtime.state(),
                "replicas": {"ready": total if runtime.running else 0, "total": total},
                "services": runtime.services(),
                "last_updated": rfc3339(self._daemon.clock.now),
            }
        )

    # Of the Go daemon.

    def _metrics(self, call: Call) -> Answer:
        if not self._daemon.metrics:
            raise Refusal(404, "deployment not found")
        return Answer.json(self._runtime(call).metrics())

    def _history(self, call: Call) -> Answer:
        moments = asking.moments(call, FIVE_MINUTES)
        runtime = self._daemon.runtime(call.params["id"])
        if runtime is None or not self._daemon.metrics:
            return Answer.json({"series": []})
        return Answer.json({"series": [_point(one, runtime.metrics(one)) for one in moments]})

    def _aggregate(self, call: Call) -> Answer:
        """Of everybody's deployments: no principal comes into it."""
        moments, daemon = asking.moments(call, FIVE_MINUTES), self._daemon
        ids = dict.fromkeys(daemon.id_of(one) for one in daemon.chain.leased(provider=daemon.address))
        runtimes = [daemon.deployment(id_) for id_ in ids] if daemon.metrics else []
        points = [_point(one, _summed([each.metrics(one) for each in runtimes])) for one in moments]
        return Answer.json({"series": points if runtimes else []})

    def _events(self, call: Call) -> Answer:
        runtime = self._runtime(call)
        shown, cursor = asking.page(runtime.events[::-1], call)
        return Answer.json({"events": shown, **cursor})

    def _stream(self, call: Call) -> Answer:
        if call.headers.get("Upgrade", "").lower() != "websocket":
            raise text(400, "Bad Request")
        runtime, daemon = self._runtime(call), self._daemon

        async def talk(socket: Socket) -> None:
            await socket.send(compact(_streamed(runtime.metrics())).decode())
            with runtime.samples.heard() as queue:
                while True:
                    sample = await next_or_none(queue, daemon.chatter_seconds)
                    sample = _streamed(runtime.metrics()) if sample is None else sample
                    await socket.send(compact(sample).decode())

        return Answer(101, talk=talk)


def _point(moment: float, metrics: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": rfc3339(moment), "metrics": metrics}


def _summed(all_: list[dict[str, Any]]) -> dict[str, Any]:
    """Metrics of several deployments, added; units and the moment are those of the last."""
    total: dict[str, Any] = {}
    for metrics in all_:
        for name, part in metrics.items():
            if not isinstance(part, dict):
                total[name] = part
                continue
            sums = total.setdefault(name, {})
            for key, value in part.items():
                sums[key] = value if isinstance(value, str) else round(sums.get(key, 0) + value, 6)
    return total


def _streamed(metrics: dict[str, Any]) -> dict[str, Any]:
    """As the portal's aggregate has it: used, limit, percent, unit; network in bytes per second."""
    parts: dict[str, Any] = {"timestamp": metrics.get("timestamp")}
    for name in ("cpu", "memory", "storage"):
        part = metrics.get(name)
        if part is None:
            continue
        percent = round(100 * part["usage"] / part["limit"], 3) if part["limit"] else 0
        parts[name] = {
            "used": part["usage"],
            "limit": part["limit"],
            "percent": percent,
            "unit": part["unit"],
        }
    return {**parts, "network": {"rxBytesPerSec": 1200, "txBytesPerSec": 300}}
