"""The one retry loop; the only file that knows stamina.

stamina drives the loop, nothing more: its own attempts, timeout and jitter are off, and its process-wide switches are
never touched. Whether and when to try again is decided by policy.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["retrying"]

T = TypeVar("T")

# stamina tells its own logger about every retry. Whoever configures logging sees it; nobody else should.
logging.getLogger("stamina").addHandler(logging.NullHandler())


async def retrying(
    work: Callable[[int], Awaitable[T]], next_wait: Callable[[Exception, int], float | None]
) -> T:
    """Call ``work`` with 1, 2, 3 … until it succeeds or ``next_wait`` has no seconds to wait any more."""
    try:
        return await work(1)
    except Exception as error:
        wait = next_wait(error, 1)
        if wait is None:
            raise
        first, first_wait = error, wait
    return await _again(first, first_wait, work, next_wait)


async def _again(
    first: Exception,
    first_wait: float,
    work: Callable[[int], Awaitable[T]],
    next_wait: Callable[[Exception, int], float | None],
) -> T:
    """The loop proper, with the first failure behind it: nearly all calls are over at once and never pay for it."""
    import stamina  # noqa: PLC0415 - heavy, and only needed once something is tried again

    number = 0

    def decide(error: Exception) -> float | bool:
        wait = first_wait if number == 1 else next_wait(error, number)
        return False if wait is None else wait

    async for attempt in stamina.retry_context(on=decide, attempts=None, timeout=None, wait_jitter=0):
        with attempt:
            number = attempt.num
            if number == 1:
                raise first
            return await work(number)
    raise AssertionError  # the loop above returns or raises
