"""Statistics: a day or a month in pairs of epoch milliseconds and a mean, and nothing at first."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import attrs

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._linodes import INSTANCES
from purveyor_linode.sandbox._words import invalid, reply
from purveyor_linode.sandbox._world import Linode, World
from purveyor_testing.sandbox import Answer, Call, Route

DAY, STEP, MONTH_STEP = 86_400, 300, 7200

Curve = Callable[[float], float]


@attrs.define(eq=False)
class Stats:
    """Answers for /linode/instances/{id}/stats."""

    world: World

    def routes(self) -> Iterable[Route]:
        """Its operations."""
        stats = f"{INSTANCES}/{{id}}/stats"
        return (
            Route("GET", stats, self.day, "linodes:read_only"),
            Route("GET", f"{stats}/{{year}}/{{month}}", self.month, "linodes:read_only"),
        )

    def day(self, call: Call) -> Answer:
        """GET …/stats: 24 hours, five minutes each."""
        now = self.world.clock.now
        return self._answer(call, now - DAY, now, STEP, "day (5 min avg)")

    def month(self, call: Call) -> Answer:
        """GET …/stats/{year}/{month}: two hours each."""
        try:
            first = datetime(int(call.params["year"]), int(call.params["month"]), 1, tzinfo=UTC)
        except ValueError as error:
            raise invalid("Invalid year or month") from error
        start = first.timestamp()
        return self._answer(call, start, start + 31 * DAY, MONTH_STEP, f"{first:%Y/%m} (2 hour avg)")

    def _answer(self, call: Call, start: float, end: float, step: int, span: str) -> Answer:
        linode = self.world.linode(call.params["id"])
        ready = linode.created_at + self.world.lifecycle(self.world.behaviour.stats_seconds)
        if self.world.clock.now < ready:
            raise invalid("Stats are unavailable at this time.")
        first = math.ceil(max(start, linode.created_at) / step) * step
        moments = range(first, int(min(end, self.world.clock.now)) + 1, step)
        title = f"linode.com - {linode.label} (linode{linode.id}) - {span}"
        return reply({"data": _data(linode, moments), "title": title})


def _data(linode: Linode, moments: range) -> Row:
    """CPU in percent of one core, I/O in blocks/s, traffic in bits/s."""

    def busy(moment: float) -> float:
        return 0.5 + 0.4 * math.sin(moment / 600 + linode.id % 97)

    def series(curve: Curve) -> list[list[float]]:
        return [[moment * 1000, round(curve(moment), 2)] for moment in moments]

    vcpus = linode.row["specs"]["vcpus"]
    quiet = series(lambda _: 0.0)
    ways = {"in": series(lambda at: 20_000 * busy(at)), "out": series(lambda at: 16_000 * busy(at))}
    return {
        "cpu": series(lambda at: 100 * vcpus * busy(at)),
        "io": {"io": series(lambda at: 4 * busy(at)), "swap": quiet},
        "netv4": {**ways, "private_in": quiet, "private_out": quiet},
        "netv6": {"in": quiet, "out": quiet, "private_in": quiet, "private_out": quiet},
    }
