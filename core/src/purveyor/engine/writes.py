"""Calls that change something, so that a client that is closed leaves none of them half done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any

from purveyor.model.errors import StateUnavailableError
from purveyor.spi.call import Clock

__all__ = ["Writes"]

_GRACE_SECONDS = 10.0


class Writes:
    """What is being changed at present."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._left = asyncio.Event()
        self._closed = False

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """The current task changes something.

        Raises:
            StateUnavailableError: The client is being closed.
        """
        if self._closed:
            raise StateUnavailableError("the client is closed; nothing more is changed through it")
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        self._tasks.add(task)
        try:
            yield
        finally:
            self._leave(task)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside a change, that is waited for just as well."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._leave)

    async def aclose(self) -> None:
        """Start nothing more, give what is under way a grace, and cancel what is left.

        The tasks are not ours: only what they change here is waited for, whatever they do afterwards.
        """
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await self._end()
        for task in self._others:
            task.cancel()
        await self._end()

    @property
    def _others(self) -> set[asyncio.Task[Any]]:
        return self._tasks - {asyncio.current_task()}

    async def _end(self) -> None:
        while self._others:
            self._left.clear()
            await self._left.wait()

    def _leave(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._left.set()
