"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

A run repeats exactly from its seed as long as nothing in it waits for a socket or a thread; give the state store an
``InlineThread`` so that it does not.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import attrs

from purveyor.state.thread import OneThread, if_waited_for

__all__ = ["InlineThread", "VirtualClock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")

_START = datetime(2026, 1, 1, tzinfo=UTC)


class _Jumping(selectors.SelectSelector):
    """Never blocks; tells the loop how far the time may jump instead."""

    jump: Callable[[float], None] = staticmethod(lambda _: None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; if nothing is, jump."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            msg = "nothing is scheduled any more: the run waits for something that never comes"
            raise RuntimeError(msg)
        self.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        selector = _Jumping()
        selector.jump = self._jump
        self._now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds


@attrs.define
class VirtualClock:
    """The clock of a virtual loop; ``skew`` moves the time of day, as an administrator may."""

    skew: timedelta = timedelta()

    def monotonic(self) -> float:
        """Seconds of the running loop."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """The first moment of 2026, and what has passed since."""
        return _START + timedelta(seconds=self.monotonic()) + self.skew

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)


class InlineThread(OneThread):
    """No thread at all: whatever it is given is done at once, and told in the loop's next round."""

    def __init__(self) -> None:
        """There is nothing to begin."""
        super().__init__("")

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """What has come of the work."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        try:
            tell = functools.partial(future.set_result, work())
        except Exception as exc:  # noqa: BLE001 - whoever awaits the future gets it
            tell = functools.partial(future.set_exception, exc)
        loop.call_soon(if_waited_for, future, tell)
        return future

    def close(self) -> None:
        """There is nothing to end."""


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
