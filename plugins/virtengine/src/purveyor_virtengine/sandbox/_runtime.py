"""One deployment as its provider sees it: what runs, what it uses, what it wrote, what was done to it."""

import math
import random
from collections.abc import Sequence
from typing import Any

import attrs

from purveyor_testing.sandbox import Clock, rfc3339
from purveyor_virtengine.sandbox._chain import Lease
from purveyor_virtengine.sandbox._feed import Feed

GB = 1000**3


@attrs.frozen
class LogEntry:
    """One line of a log."""

    moment: float
    level: str
    message: str

    def rendered(self, *, shout: bool = False) -> str:
        """As it is sent: with the level as it is, or in upper case on a WebSocket."""
        return f"{rfc3339(self.moment)} {self.level.upper() if shout else self.level} {self.message}"


@attrs.define(eq=False)
class Runtime:
    """A deployment at work. `leases` are its groups at this provider."""

    id: str
    leases: Sequence[Lease]
    clock: Clock = attrs.field(repr=False)
    began: float
    running: bool = True
    operation: str | None = None
    """The id of the action that is under way."""
    log: Feed[LogEntry] = attrs.field(factory=Feed, repr=False)
    samples: Feed[dict[str, Any]] = attrs.field(factory=Feed, repr=False)
    events: list[dict[str, str]] = attrs.field(factory=list, repr=False)
    override: dict[str, Any] | None = None
    """Metrics that are answered instead."""
    resized: dict[str, float] = attrs.field(factory=dict)
    """What a resize has set: cpu_cores, memory_mb, storage_gb."""

    def say(self, message: str, level: str = "info") -> None:
        """Write a line."""
        self.log.add(LogEntry(self.clock.now, level, message))

    def happened(self, type_: str, message: str) -> None:
        """Note an event."""
        self.events.append(
            {
                "id": f"evt-{self.id}-{len(self.events) + 1}",
                "type": type_,
                "message": message,
                "created_at": rfc3339(self.clock.now),
            }
        )

    def limits(self) -> tuple[float, float, float]:
        """Cores, GB of memory, GB of storage over all replicas."""
        live = [one for one in self.leases if one.state != "closed"]
        cores = sum(one.cpu * one.count for one in live) / 1000
        memory = sum(one.memory * one.count for one in live) / GB
        storage = sum(one.storage * one.count for one in live) / GB
        asked = self.resized
        return (
            asked.get("cpu_cores", cores),
            asked.get("memory_mb", memory * 1000) / 1000,
            asked.get("storage_gb", storage),
        )

    def metrics(self, moment: float | None = None) -> dict[str, Any]:
        """What it uses; every part is a wave of its own, and the network only ever grows."""
        if self.override is not None:
            return self.override
        now = self.clock.now if moment is None else moment
        parts: dict[str, Any] = {}
        for name, unit, limit in zip(
            ("cpu", "memory", "storage"), ("cores", "GB", "GB"), self.limits(), strict=True
        ):
            share = self._share(name, now) if self.running or name == "storage" else 0.0
            parts[name] = {"usage": round(limit * share, 6), "limit": round(limit, 6), "unit": unit}
        age = max(now - self.began, 0.0)
        parts["network"] = {"rx_bytes": round(age * 1200), "tx_bytes": round(age * 300)}
        return {**parts, "timestamp": rfc3339(now)}

    def _share(self, name: str, now: float) -> float:
        phase = random.Random(f"{self.id}/{name}").uniform(0, math.tau)  # noqa: S311 - no secret
        return 0.4 + 0.3 * math.sin(now / 600 + phase)

    def services(self) -> list[dict[str, Any]]:
        """One for each group, as the OpenAPI description has them."""
        state = "running" if self.running else "stopped"
        return [
            {
                "name": one.name,
                "state": state if one.state != "closed" else "closed",
                "replicas": one.count,
                "ports": [{"port": 80, "protocol": "tcp"}],
            }
            for one in self.leases
        ]

    def state(self) -> str:
        """As the OpenAPI description calls it."""
        return "closed" if all(one.state == "closed" for one in self.leases) else "active"
