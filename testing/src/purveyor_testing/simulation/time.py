"""Time as the hosts of a simulated world see it: one true time, and a monotonic clock that begins anew with each boot."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

__all__ = ["BOOTED_AT", "HostLoop"]

T = TypeVar("T")

BOOTED_AT: ContextVar[float] = ContextVar("BOOTED_AT", default=0.0)
"""True seconds at which the host that the current task runs on was booted."""

_TICK = 2.0**-20


class _Step(list[Any]):
    """What is to be called, with what, and in which context; a list, since none is made sooner."""

    __slots__ = ()

    def cancel(self) -> None:
        """Not any more."""
        self[0] = None


class HostLoop(asyncio.AbstractEventLoop):
    """A loop on which each task sees the monotonic seconds of its own host.

    Time is virtual: it jumps to the next timer. There are no sockets, no signals and no threads, which is why this
    takes half the time of asyncio's own loops.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """True seconds since the world began."""
        self._ready: deque[_Step] = deque()
        self._timers: list[tuple[float, int, _Step]] = []
        self._numbers = itertools.count()
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] = _raise

    # What tasks and futures ask for

    def time(self) -> float:
        """Seconds since the host of the current task was booted."""
        return self.now - BOOTED_AT.get()

    get_debug = bool  # False, without a step of ours: every future asks

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """A task that begins with the next step."""
        return asyncio.Task(coro, loop=self, name="" if name is None else str(name), context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Step:
        """Call with the next step."""
        step = _Step((callback, args, contextvars.copy_context() if context is None else context))
        self._ready.append(step)
        return step

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Step:
        """Call after some seconds; time goes on by at least a tick if it goes on at all."""
        return self._put_off(self.now + max(delay, _TICK if delay > 0 else 0.0), callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Step:
        """Call at a moment of the current task's host."""
        return self._put_off(when + BOOTED_AT.get(), callback, args, context)

    def _put_off(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> _Step:
        if when <= self.now:
            return self.call_soon(callback, *args, context=context)
        step = _Step((callback, args, contextvars.copy_context() if context is None else context))
        heapq.heappush(self._timers, (math.ceil(when / _TICK) * _TICK, next(self._numbers), step))
        return step

    def set_exception_handler(  # type: ignore[override]
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]
    ) -> None:
        """Who is told of errors that nobody waits for."""
        self._handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell of an error that nobody waits for."""
        self._handler(self, context)

    def is_running(self) -> bool:
        """Whether it is the one that runs."""
        return events._get_running_loop() is self  # noqa: SLF001 - loops ask it

    def is_closed(self) -> bool:
        """It holds nothing that could be closed."""
        return False

    # Running

    def run_until_complete(self, work: Awaitable[T]) -> T:  # type: ignore[override]
        """Do everything that is due until the work is done."""
        task = asyncio.ensure_future(work, loop=self)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finish)
        events._set_running_loop(self)  # noqa: SLF001 - as every loop does
        try:
            self._run(task)
        finally:
            events._set_running_loop(None)  # noqa: SLF001 - likewise
            sys.set_asyncgen_hooks(*hooks)
        return task.result()

    def _run(self, task: asyncio.Future[Any]) -> None:
        """Do what is ready; if nothing is, go on to what comes next."""
        ready = self._ready
        while not task.done():
            if not ready:
                self._jump()
            while ready and not task.done():
                callback, args, context = ready.popleft()
                if callback is not None:
                    context.run(callback, *args)

    def _jump(self) -> None:
        """To the next timer that was not cancelled, and to all of the same moment."""
        timers = self._timers
        while timers and timers[0][2][0] is None:
            heapq.heappop(timers)
        if not timers:
            msg = "nothing is scheduled any more: the run waits for something that never comes"
            raise RuntimeError(msg)
        self.now = timers[0][0]
        while timers and timers[0][0] <= self.now:
            self._ready.append(heapq.heappop(timers)[2])

    def _finish(self, generator: AsyncGenerator[Any, Any]) -> None:
        """A generator was dropped before its end."""
        self.create_task(generator.aclose())


def _raise(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    raise context.get("exception") or RuntimeError(context["message"])
