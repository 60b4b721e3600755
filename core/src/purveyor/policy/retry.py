"""When to try again, and how long to wait before."""

from __future__ import annotations

import random

import attrs

from purveyor.model.errors import Outcome, PurveyorError, ResourceBusyError
from purveyor.spi.call import Effect

__all__ = ["RetryPolicy", "next_wait"]


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How hard to try.

    Attributes:
        attempts: Tries in all.
        base: Seconds before the first retry, before jitter; doubles each time.
        cap: Most seconds between two tries, unless the provider asks for more.
    """

    attempts: int = 4
    base: float = 0.25
    cap: float = 8.0


ONE_TRY = RetryPolicy(attempts=1)


def next_wait(
    policy: RetryPolicy,
    error: PurveyorError,
    effect: Effect,
    attempt: int,
    left: float,
    chance: random.Random,
) -> float | None:
    """Seconds to wait before the next try, or None to give up.

    A ``once`` request is tried again only if nothing was bought for certain. What the provider asks for
    (``retry_after``) is kept, never cut short: if it does not fit into what is ``left`` of the deadline, the error
    stands and says when to come back.
    """
    if not error.retryable or (attempt >= policy.attempts and not _waits(policy, error)):
        return None
    if effect is Effect.ONCE and error.outcome not in {Outcome.NOT_SENT, Outcome.REFUSED}:
        return None
    backoff = chance.uniform(0.5, 1.0) * min(policy.cap, policy.base * 2 ** (attempt - 1))
    wait = max(error.retry_after or 0.0, backoff)
    return wait if wait < left else None


def _waits(policy: RetryPolicy, error: PurveyorError) -> bool:
    """Busy things become free by themselves: whoever is willing to try again at all waits until the deadline."""
    return isinstance(error, ResourceBusyError) and policy.attempts > 1
