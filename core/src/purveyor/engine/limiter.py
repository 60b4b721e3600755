"""Whose turn it is to send: a slot, then the tokens of the operation group, in the order of asking.

Whoever has to wait for a limit holds no slot meanwhile, so that the other groups go on; and a token is taken only when the
request goes out at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from purveyor.engine.guards import later
from purveyor.model.errors import Outcome, RateLimitError
from purveyor.model.guards import LimitReport
from purveyor.policy.limits import LimiterState
from purveyor.spi.call import Clock, Exchange
from purveyor.spi.hookspecs import Rate

__all__ = ["EVERY_GROUP", "Limiter"]

EVERY_GROUP = "*"
"""The group of a limit that all groups share."""
_NOTHING_TOLD = LimiterState()
_SHORTEST = 0.001
"""Seconds that are slept at least: rounding must not make a loop spin."""


class _Meter:
    """One limit: what answers told about it, and what was sent in its last stretch of time."""

    def __init__(self, rate: Rate | None) -> None:
        self.told = _NOTHING_TOLD
        self.under_way = 0
        self._rate = rate
        self._ended: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until one more may be sent."""
        return max(self.told.wait(now), self._counted(now)) if self._rate else self.told.wait(now)

    def take(self, now: float) -> None:
        """One is sent."""
        self.told = self.told.taken(now)
        self.under_way += 1

    def end(self, exchange: Exchange, now: float) -> None:
        """It is over. It counts from now on, since nobody knows when the server counted it."""
        self.under_way -= 1
        if self._rate and exchange.sent:
            self._ended.append(now)

    def pressing(self, now: float, margin: int) -> LimiterState | None:
        """What other processes should know, if so little is left that they could use it up."""
        state = self.told
        if self._rate and (wait := self._counted(now)):
            state = state.joined(LimiterState(remaining=0, resets_at=now + wait), now)
        return state if state.presses(now, margin) else None

    def _counted(self, now: float) -> float:
        rate = self._rate
        if rate is None or (rate.in_headers and self.told.knows(now)):
            return 0.0
        ended = self._ended
        while ended and ended[0] <= now - rate.seconds:
            ended.popleft()
        if len(ended) + self.under_way < rate.requests:
            return 0.0
        return max(0.0, (ended[0] if ended else now) + rate.seconds - now)


class _Lane:
    """One operation group: those who wait for it, and the limits that it is under."""

    def __init__(self, meters: Mapping[str, _Meter]) -> None:
        self.meters = meters
        self.told = next(iter(meters.values()))  # what the headers of answers are about
        self.queue = asyncio.Lock()
        self.news = asyncio.Event()

    def wait(self, now: float) -> float:
        longest = 0.0
        for meter in self.meters.values():
            longest = max(longest, meter.wait(now))
        return longest

    def take(self, now: float) -> None:
        for meter in self.meters.values():
            meter.take(now)


class Limiter:
    """The slots and limits of one provider."""

    def __init__(self, slots: int, rates: Mapping[str, Rate], clock: Clock) -> None:
        """Limit by that many exchanges at a time, and by what the vendor states for each group."""
        self._clock = clock
        self._rates = rates
        self._most = slots
        self._slots = asyncio.Semaphore(slots)
        self._meters: dict[str, _Meter] = {}
        self._lanes: dict[str, _Lane] = {}

    async def enter(self, group: str, deadline: float, hear: Callable[[], Awaitable[None]]) -> None:
        """Wait until a request of that group may be sent, and take its slot and its tokens.

        ``hear`` is called after each wait; it may ``learn`` what other processes know.

        Raises:
            RateLimitError: The wait does not fit into the deadline.
        """
        lane = self._lane(group)
        if not (self._fitting(lane, deadline) or lane.queue.locked() or self._slots.locked()):
            await self._slots.acquire()  # at once
            lane.take(self._clock.monotonic())
            return
        async with lane.queue:
            while True:
                await self._slots.acquire()
                now = self._clock.monotonic()
                if not lane.wait(now):
                    break
                self._slots.release()
                await self._pause(lane, self._fitting(lane, deadline))
                await hear()
            lane.take(now)

    def leave(self, group: str, exchange: Exchange) -> dict[str, LimiterState]:
        """Give back the slot and learn from the answer; returns what other processes should know, by group."""
        self._slots.release()
        lane, now = self._lanes[group], self._clock.monotonic()
        for meter in lane.meters.values():
            meter.end(exchange, now)
        first = lane.told
        if exchange.status is not None:
            first.told = first.told.learned(
                exchange.status,
                exchange.headers,
                now,
                self._clock.now(),
                others=first.under_way,
                lag=first.under_way + self._most,
            )
        lane.news.set()
        told = {}
        for name, meter in lane.meters.items():
            state = meter.pressing(now, self._most)
            if state is not None:
                told[name] = state
        return told

    def learn(self, limits: Mapping[str, LimiterState]) -> None:
        """Take over what other processes know."""
        now = self._clock.monotonic()
        for group, state in limits.items():
            meter = self._meter(group)
            meter.told = meter.told.joined(state, now)

    def report(self) -> tuple[LimitReport, ...]:
        """What is known of the limits."""
        return tuple(
            report for group, meter in sorted(self._meters.items()) if (report := self._report(group, meter))
        )

    def _report(self, group: str, meter: _Meter) -> LimitReport | None:
        now = self._clock.monotonic()
        wait = meter.wait(now)
        known = meter.told.knows(now)
        if not known and not wait:
            return None
        return LimitReport(
            group=group,
            remaining=max(0, meter.told.remaining or 0) if known else None,
            used_up_until=later(self._clock, wait) if wait else None,
        )

    def _lane(self, group: str) -> _Lane:
        lane = self._lanes.get(group)
        if lane is None:
            shared = [EVERY_GROUP] if EVERY_GROUP in self._rates else []
            own = [group] if group in self._rates or not shared else []
            lane = _Lane({name: self._meter(name) for name in (*shared, *own)})
            self._lanes[group] = lane
        return lane

    def _meter(self, name: str) -> _Meter:
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = _Meter(self._rates.get(name))
        return meter

    def _fitting(self, lane: _Lane, deadline: float) -> float:
        now = self._clock.monotonic()
        wait = lane.wait(now)
        if wait and wait >= deadline - now:
            raise RateLimitError(
                f"the provider's rate limit is used up for another {wait:.0f} s, longer than the deadline allows",
                retry_after=wait,
                outcome=Outcome.NOT_SENT,
            )
        return wait

    async def _pause(self, lane: _Lane, seconds: float) -> None:
        """Wait for that long, or until an answer has told more."""
        lane.news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, _SHORTEST)):
                await lane.news.wait()
