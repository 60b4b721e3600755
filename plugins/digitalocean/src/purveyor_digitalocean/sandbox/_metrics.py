"""Monitoring: Prometheus matrices, and nothing at all where the agent is not installed."""

import math
from collections.abc import Callable, Iterable

import attrs

from purveyor_digitalocean.sandbox._words import unprocessable
from purveyor_digitalocean.sandbox._world import Droplet, Row, World
from purveyor_testing.sandbox import Answer, Call, Route

STEP = 120
"""Seconds between two samples."""

Series = tuple[dict[str, str], Callable[[float], float]]


def _wave(droplet: Droplet, moment: float) -> float:
    """How busy a droplet is, 0 to 1: a function of its id and the time alone."""
    return 0.5 + 0.4 * math.sin(moment / 600 + droplet.id % 97)


def _cpu(droplet: Droplet, _: Call) -> list[Series]:
    """Seconds spent in each mode since boot; they only ever grow."""
    shares = {
        "idle": 0.8,
        "iowait": 0.004,
        "irq": 0.0,
        "nice": 0.001,
        "softirq": 0.005,
        "steal": 0.01,
        "system": 0.06,
        "user": 0.12,
    }

    def total(share: float) -> Callable[[float], float]:
        return lambda moment: share * droplet.row["vcpus"] * (moment - droplet.created_at)

    return [({"mode": mode}, total(share)) for mode, share in shares.items()]


def _bandwidth(droplet: Droplet, call: Call) -> list[Series]:
    """Mbit/s of one interface in one direction."""
    interface, direction = call.query.get("interface"), call.query.get("direction")
    if interface not in ("private", "public") or direction not in ("inbound", "outbound"):
        raise unprocessable("interface and direction are required.")
    labels = {"direction": direction, "interface": interface}
    return [(labels, lambda moment: 2.5 * _wave(droplet, moment))]


def _load(factor: float) -> Callable[[Droplet, Call], list[Series]]:
    return lambda droplet, _: [({}, lambda moment: factor * _wave(droplet, moment))]


def _memory(share: float, swing: float) -> Callable[[Droplet, Call], list[Series]]:
    def series(droplet: Droplet, _: Call) -> list[Series]:
        total = droplet.row["memory"] * 1024 * 1024
        return [({}, lambda moment: float(int(total * (share + swing * _wave(droplet, moment)))))]

    return series


def _filesystem(share: float) -> Callable[[Droplet, Call], list[Series]]:
    def series(droplet: Droplet, _: Call) -> list[Series]:
        size = float(int(droplet.row["disk"] * 1024**3 * share))
        return [({"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/"}, lambda _: size)]

    return series


METRICS: dict[str, Callable[[Droplet, Call], list[Series]]] = {
    "cpu": _cpu,
    "bandwidth": _bandwidth,
    "filesystem_free": _filesystem(0.91),
    "filesystem_size": _filesystem(0.97),
    "load_1": _load(1.0),
    "load_5": _load(0.9),
    "load_15": _load(0.8),
    "memory_cached": _memory(0.3, 0.0),
    "memory_free": _memory(0.2, 0.2),
    "memory_total": _memory(0.97, 0.0),
    "memory_available": _memory(0.5, 0.2),
}


@attrs.define(eq=False)
class Metrics:
    """Answers below /v2/monitoring/metrics/droplet."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        return [
            Route("GET", f"/v2/monitoring/metrics/droplet/{metric}", self._serve(series), "monitoring:read")
            for metric, series in METRICS.items()
        ]

    def _serve(self, series: Callable[[Droplet, Call], list[Series]]) -> Callable[[Call], Answer]:
        return lambda call: self.matrix(call, series)

    def matrix(self, call: Call, series: Callable[[Droplet, Call], list[Series]]) -> Answer:
        """The series of one droplet between two moments."""
        id_, start, end = (call.query.get(key, "") for key in ("host_id", "start", "end"))
        if not (id_.isdecimal() and start.isdecimal() and end.isdecimal()):
            raise unprocessable("host_id, start and end are required.")
        droplet = self.world.droplets.get(int(id_))
        result: list[Row] = []
        if droplet is not None and droplet.monitoring:
            moments = self._moments(droplet, int(start), int(end))
            for labels, value in series(droplet, call) if moments else ():
                values = [[moment, f"{value(moment):.10g}"] for moment in moments]
                result.append({"metric": {"host_id": id_, **labels}, "values": values})
        return Answer.json({"status": "success", "data": {"resultType": "matrix", "result": result}})

    def _moments(self, droplet: Droplet, start: int, end: int) -> range:
        first = max(start, int(droplet.created_at) + 1)
        aligned = -(-first // STEP) * STEP
        return range(aligned, min(end, int(self.world.clock.now)) + 1, STEP)
