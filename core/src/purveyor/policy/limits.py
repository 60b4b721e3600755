"""Rate limits as a provider's own headers tell them, per operation group."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import attrs

__all__ = ["LimiterState", "retry_after", "until_reset"]

_WINDOW = 3600.0
"""Longest wait that a reset time may ask for, in seconds; what is beyond is a clock that is wrong."""
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_DAY = 24 * 3600.0
"""Longest time that ``Retry-After`` may keep us away, in seconds; a server cannot park us for good."""


_SAME_WINDOW = 1.0
"""Seconds by which two answers may differ about one and the same reset, since some round it."""
_ASKING_SECONDS = 1.0
"""How long those who wait leave the way to the one that finds out whether a used up limit is whole again."""


@attrs.frozen(kw_only=True)
class LimiterState:
    """What is known about one operation group's limit. Moments are seconds of the clock that ``now`` is read from.

    Attributes:
        remaining: Requests left, as far as the last answers told and we have counted since; None while unknown.
        resets_at: When there will be more.
        blocked_until: Until when the provider asked us to stay away.
        asking: The limit was used up, its reset is past, and one request is on its way to hear how many there are now.
    """

    remaining: int | None = None
    resets_at: float = 0.0
    blocked_until: float = 0.0
    asking: bool = False

    def wait(self, now: float) -> float:
        """Seconds to wait before the next request may go."""
        exhausted = self.resets_at - now if self.remaining is not None and self.remaining <= 0 else 0.0
        return max(0.0, self.blocked_until - now, exhausted)

    def knows(self, now: float) -> bool:
        """Whether answers told how many requests are left, and it still holds."""
        return self.remaining is not None and now < self.resets_at

    def presses(self, now: float, margin: int) -> bool:
        """Whether no more than ``margin`` requests are left, or none may go: other processes should hear of it."""
        few = self.knows(now) and self.remaining is not None and self.remaining <= margin
        return few or self.blocked_until > now

    def taken(self, now: float) -> LimiterState:
        """After one request went; past the reset nothing is known until the next answer."""
        if self.remaining is None:
            return self
        if now < self.resets_at:
            return attrs.evolve(self, remaining=self.remaining - 1)
        if self.remaining > 0:
            return attrs.evolve(self, remaining=None)
        return attrs.evolve(self, remaining=0, resets_at=now + _ASKING_SECONDS, asking=True)

    def learned(
        self,
        status: int,
        headers: Mapping[str, str],
        now: float,
        today: datetime,
        others: int = 0,
        lag: int = 0,
    ) -> LimiterState:
        """After an answer.

        Args:
            status: Its status.
            headers: Its headers, names in lower case.
            now: The clock's seconds.
            today: The time of day; aware.
            others: Requests under way which the server may not have counted yet.
            lag: By how many our own count may stay behind what answers tell. One that is further behind is wrong: the
                server does not fill up all at once, but all the time.
        """
        told = _number(headers, "ratelimit-remaining")
        pause = retry_after(headers, today) if status == 429 else None
        if told is None and not pause and not self.asking:
            return self
        blocked_until = max(self.blocked_until, now + min(pause, _DAY) if pause else 0.0)
        if told is None:
            known = LimiterState() if self.asking else self  # one that asked and was not told knows nothing
            return attrs.evolve(known, blocked_until=blocked_until)
        left, resets_at = int(told), now + (until_reset(headers, today) or 1.0)
        if self.remaining is not None and self.knows(now) and not self._is_over(resets_at):
            # Within one window we know better than an answer what went out since the server wrote it.
            left, resets_at = max(min(self.remaining, left), left - lag), max(self.resets_at, resets_at)
        elif status != 429:
            left -= others
        return LimiterState(remaining=left, resets_at=resets_at, blocked_until=blocked_until)

    def _is_over(self, resets_at: float) -> bool:
        return self.asking or resets_at > self.resets_at + _SAME_WINDOW

    def joined(self, other: LimiterState, now: float) -> LimiterState:
        """What is known after somebody else told what they know: the worse of both."""
        blocked_until = max(self.blocked_until, other.blocked_until)
        if not other.knows(now) or other.remaining is None:
            return attrs.evolve(self, blocked_until=blocked_until)
        if not self.knows(now) or self.remaining is None:
            return attrs.evolve(other, blocked_until=blocked_until)
        return LimiterState(
            remaining=min(self.remaining, other.remaining),
            resets_at=max(self.resets_at, other.resets_at),
            blocked_until=blocked_until,
        )

    def shifted(self, by: float) -> LimiterState:
        """The same by a clock that is ahead by that many seconds."""
        return attrs.evolve(self, resets_at=self.resets_at + by, blocked_until=self.blocked_until + by)


def retry_after(headers: Mapping[str, str], today: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks for, given as seconds or as a date; None where it says nothing sensible.

    Args:
        headers: Names in lower case.
        today: The time of day; aware.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - today).total_seconds())
    return None


def until_reset(headers: Mapping[str, str], today: datetime) -> float | None:
    """Seconds until a used up limit is whole again, at least one; None where the headers say nothing sensible.

    A reset is a time of day in seconds since 1970, or seconds from now; both have been seen in the past.
    """
    reset = _number(headers, "ratelimit-reset")
    if reset is None or reset < 0:
        return None
    seconds = reset - today.timestamp() if reset > 10_000_000 else reset
    return min(max(seconds, 1.0), _WINDOW)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    for text in (headers.get(name), headers.get(f"x-{name}")):
        if text is not None:
            with contextlib.suppress(ValueError):
                number = float(text)
                if math.isfinite(number):
                    return number
    return None
