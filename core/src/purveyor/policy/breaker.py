"""The circuit breaker: after failures in a row no call goes out for a while, and then one that finds out.

It counts calls, not tries, and only what is the provider's fault: a limit, bad credentials or a request that is refused
say nothing about whether it works.
"""

from __future__ import annotations

import random
from enum import Enum

import attrs

from purveyor.model.guards import BreakerPhase

__all__ = ["OPENS_AFTER", "Breaker", "BreakerEvent", "claimed", "step"]

OPENS_AFTER = 5
"""Failures in a row that open it."""
OPEN_SECONDS = 60.0
"""How long it is open for the first time at least; doubles with every probe that fails."""
OPEN_CAP = 300.0
"""The longest that it is open, and that a probe may keep others from probing."""
_JITTER = 1.2


class BreakerEvent(Enum):
    """What happened to one call."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ANSWERED = "answered"
    """The provider refused, which is an answer; it counts for nothing."""
    PROBE_SUCCEEDED = "probe_succeeded"
    PROBE_FAILED = "probe_failed"
    PROBE_ABANDONED = "probe_abandoned"
    """It ended without a verdict, such as by cancellation; the next call may probe."""
    LET_THROUGH = "let_through"
    """Whoever knows all candidates wants a probe now: there is nobody else left."""


@attrs.frozen(kw_only=True)
class Breaker:
    """One provider's breaker. Moments are seconds of the clock that ``now`` is read from.

    Attributes:
        failures: In a row, while closed.
        opened: How often in a row it was opened; 0 while closed.
        open_until: When it lets a probe through.
        probing_until: When the probe under way is given up; 0 where there is none.
    """

    failures: int = 0
    opened: int = 0
    open_until: float = 0.0
    probing_until: float = 0.0

    def phase(self, now: float) -> BreakerPhase:
        """Whether calls go out: all, none, or one at a time."""
        if not self.opened:
            return BreakerPhase.CLOSED
        return BreakerPhase.OPEN if now < self.open_until else BreakerPhase.HALF_OPEN

    def shut_for(self, now: float) -> float:
        """Seconds for which no call may go out, as far as that is known; 0 if one may."""
        if not self.opened:
            return 0.0
        return max(self.open_until - now, self.probing_until - now, 0.0)

    def shifted(self, by: float) -> Breaker:
        """The same by a clock that is ahead by that many seconds."""
        return attrs.evolve(
            self,
            open_until=self.open_until + by if self.opened else 0.0,
            probing_until=self.probing_until + by if self.probing_until else 0.0,
        )


CLOSED = Breaker()


def step(breaker: Breaker, event: BreakerEvent, now: float, chance: random.Random) -> Breaker:
    """The breaker after an event. What calls report that went out before it opened changes nothing any more."""
    match event:
        case BreakerEvent.PROBE_SUCCEEDED:
            after = CLOSED
        case BreakerEvent.PROBE_FAILED:
            after = _opened(breaker, now, chance)
        case BreakerEvent.PROBE_ABANDONED:
            after = attrs.evolve(breaker, probing_until=0.0)
        case BreakerEvent.LET_THROUGH:
            after = attrs.evolve(breaker, open_until=min(breaker.open_until, now))
        case BreakerEvent.SUCCEEDED if not breaker.opened:
            after = CLOSED
        case BreakerEvent.FAILED if not breaker.opened:
            failures = breaker.failures + 1
            after = _opened(breaker, now, chance) if failures >= OPENS_AFTER else Breaker(failures=failures)
        case _:
            after = breaker
    return after


def claimed(breaker: Breaker, now: float, seconds: float) -> Breaker | None:
    """The breaker once a probe is on its way that takes ``seconds`` at most; None where none may go."""
    if breaker.phase(now) is not BreakerPhase.HALF_OPEN or now < breaker.probing_until:
        return None
    return attrs.evolve(breaker, probing_until=now + min(seconds, OPEN_CAP))


def _opened(breaker: Breaker, now: float, chance: random.Random) -> Breaker:
    longest = min(OPEN_CAP, OPEN_SECONDS * _JITTER * 2.0 ** min(breaker.opened, 10))
    return Breaker(
        failures=OPENS_AFTER,
        opened=breaker.opened + 1,
        open_until=now + chance.uniform(longest / _JITTER, longest),
    )
