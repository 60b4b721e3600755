"""Time as the hosts of a simulated world see it: one true time, and a monotonic clock that begins anew with each boot."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context, ContextVar
from typing import Any

from purveyor_testing.virtual import VirtualLoop

__all__ = ["BOOTED_AT", "SLOW_DISK", "HostLoop"]

BOOTED_AT: ContextVar[float] = ContextVar("BOOTED_AT", default=0.0)
"""True seconds at which the host that the current task runs on was booted."""

_TICK = 2.0**-20

SLOW_DISK = 2.0
"""Seconds that a disk may take."""


class HostLoop(VirtualLoop):
    """A virtual loop on which each task sees the monotonic seconds of its own host, and whose disks are sometimes slow."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(listens=False)
        self._chance = chance

    @property
    def now(self) -> float:
        """True seconds since the world began."""
        return self._now

    def time(self) -> float:
        """Seconds since the host of the current task was booted."""
        return self._now - BOOTED_AT.get()

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call after some seconds; time goes on by at least a tick if it goes on at all."""
        return self.call_at(
            self.time() + max(delay, _TICK if delay > 0 else 0.0), callback, *args, context=context
        )

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a moment of the current task's host."""
        ticks = math.ceil((when + BOOTED_AT.get()) / _TICK)
        return super().call_at(ticks * _TICK, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self,
        executor: Executor | None,  # noqa: ARG002 - loops take it
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        """Do it at once, as threads are no part of a world; whoever waits may be told at once, or a little later."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as exc:  # noqa: BLE001 - whoever awaits the future gets it
            future.set_exception(exc)
            return future
        luck = self._chance.random()
        if luck < 0.8:
            future.set_result(result)
        else:
            self.call_later(0.0 if luck < 0.97 else self._chance.random() * SLOW_DISK, _tell, future, result)
        return future


def _tell(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)
