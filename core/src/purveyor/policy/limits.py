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


@attrs.frozen(kw_only=True)
class LimiterState:
    """What is known about one operation group's limit.

    Attributes:
        remaining: Requests left, as far as the last answer told; None while unknown.
        resets_at: When there will be more, in the clock's seconds.
        blocked_until: Until when the provider asked us to stay away.
    """

    remaining: int | None = None
    resets_at: float = 0.0
    blocked_until: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds to wait before the next request may go."""
        exhausted = self.resets_at - now if self.remaining is not None and self.remaining <= 0 else 0.0
        return max(0.0, self.blocked_until - now, exhausted)

    def taken(self, now: float) -> LimiterState:
        """After one request went; past the reset nothing is known until the next answer."""
        if self.remaining is None:
            return self
        if now >= self.resets_at:
            return attrs.evolve(self, remaining=None)
        return attrs.evolve(self, remaining=self.remaining - 1)

    def learned(self, status: int, headers: Mapping[str, str], now: float, today: datetime) -> LimiterState:
        """After an answer with these headers (names in lower case)."""
        remaining = _number(headers, "ratelimit-remaining")
        resets_at = now + (until_reset(headers, today) or 1.0)
        pause = retry_after(headers, today) if status == 429 else None
        blocked_until = max(self.blocked_until, now + min(pause, _DAY) if pause else 0.0)
        if remaining is None:
            return attrs.evolve(self, blocked_until=blocked_until)
        return LimiterState(remaining=int(remaining), resets_at=resets_at, blocked_until=blocked_until)


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
    for key in (name, f"x-{name}"):
        with contextlib.suppress(ValueError, KeyError):
            number = float(headers[key])
            if math.isfinite(number):
                return number
    return None
