"""A sliding window: so many requests in so many seconds, counted per key."""

from collections import deque

import attrs


@attrs.frozen
class Verdict:
    """Whether one more fits, and what the vendor's headers say about it."""

    allowed: bool
    limit: int
    remaining: int
    reset_at: float
    """When the oldest counted request leaves the window, epoch seconds."""
    wait: float
    """Seconds until one more fits; 0 if it does now."""


@attrs.define(eq=False)
class SlidingWindow:
    """At most `limit` requests in any `seconds`; refused ones do not count."""

    limit: int
    seconds: float
    _times: dict[str, deque[float]] = attrs.field(factory=dict, init=False)

    def take(self, key: str, now: float) -> Verdict:
        """Count one more request of `key`, if it fits."""
        times = self._current(key, now)
        allowed = len(times) < self.limit
        if allowed:
            times.append(now)
        return self._verdict(times, now, allowed=allowed)

    def peek(self, key: str, now: float) -> Verdict:
        """How things stand, without counting anything."""
        times = self._current(key, now)
        return self._verdict(times, now, allowed=len(times) < self.limit)

    def _current(self, key: str, now: float) -> deque[float]:
        times = self._times.setdefault(key, deque())
        while times and times[0] <= now - self.seconds:
            times.popleft()
        return times

    def _verdict(self, times: deque[float], now: float, *, allowed: bool) -> Verdict:
        reset_at = (times[0] if times else now) + self.seconds
        wait = 0.0 if allowed else reset_at - now
        return Verdict(allowed, self.limit, self.limit - len(times), reset_at, wait)
