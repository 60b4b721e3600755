"""How the blocking door blocks: a loop in a thread, and what streams there as what can be iterated here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from purveyor.engine.views import ViewStream as AsyncViewStream
from purveyor.model.deployment import ShellOutput
from purveyor.model.errors import PurveyorError
from purveyor.model.views import View
from purveyor.spi import deployments as spi

__all__ = ["Loop", "Shell", "ViewStream", "iterate"]

T = TypeVar("T")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="purveyor-sync", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result; an interruption (Ctrl-C) cancels the work and waits for its end."""
        if self.loop.is_closed():
            work.close()
            raise PurveyorError("the client is closed")
        begun: Future[asyncio.Task[Any] | None] = Future()

        async def whole() -> T:
            begun.set_result(asyncio.current_task())
            return await work

        future: Future[T] = asyncio.run_coroutine_threadsafe(whole(), self.loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                task = begun.result()
                if task is not None:
                    self.loop.call_soon_threadsafe(task.cancel)
                wait([future])
            raise

    def close(self) -> None:
        """End what is still running, then the loop and the thread; may be called twice."""
        if not self.loop.is_closed():
            self.run(_sweep())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


async def _sweep() -> None:
    """Cancel all other tasks and close the iterations that were left."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class ViewStream(Generic[T]):
    """A view that is still coming in; see :class:`purveyor.engine.views.ViewStream`."""

    def __init__(self, loop: Loop, stream: AsyncViewStream[T]) -> None:
        self._loop = loop
        self._stream = stream

    @property
    def failures(self) -> dict[str, PurveyorError]:
        """What is missing, after the iteration."""
        return self._stream.failures

    def __iter__(self) -> Iterator[T]:
        """Items in the order in which they arrive."""
        return iterate(self._loop, self._stream.__aiter__())

    def collect(self) -> View[T]:
        """Everything; see the async twin."""
        return self._loop.run(self._stream.collect())


class Shell:
    """A shell that runs, until the ``with`` block ends; see :class:`purveyor.plugin.Shell`."""

    def __init__(self, loop: Loop, opening: AbstractAsyncContextManager[spi.Shell]) -> None:
        self._loop = loop
        self._opening = opening
        self._shell: spi.Shell | None = None

    def __enter__(self) -> Self:
        self._shell = self._loop.run(self._entered())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._left(kind, error, trace))

    def __iter__(self) -> Iterator[ShellOutput]:
        """What it writes, as it comes."""

        async def pieces() -> AsyncGenerator[ShellOutput, None]:
            async for piece in self._opened:
                yield piece

        return iterate(self._loop, pieces())

    @property
    def exit_code(self) -> int | None:
        """What the shell ended with, once it has; None where the provider does not tell."""
        return self._opened.exit_code

    def send(self, data: bytes) -> None:
        """Type something into it."""
        self._loop.run(self._opened.send(data))

    def send_eof(self) -> None:
        """Say that there will be no more input."""
        self._loop.run(self._opened.send_eof())

    def resize(self, columns: int, rows: int) -> None:
        """Say how large the terminal is now."""
        self._loop.run(self._opened.resize(columns, rows))

    @property
    def _opened(self) -> spi.Shell:
        if self._shell is None:
            raise PurveyorError("the shell is not open: use it in a 'with' block")
        return self._shell

    async def _entered(self) -> spi.Shell:
        return await self._opening.__aenter__()

    async def _left(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)


def iterate(loop: Loop, items: AsyncGenerator[T, None]) -> Iterator[T]:
    """The items, one step of the loop at a time."""

    async def step() -> T:
        return await anext(items)

    try:
        while True:
            try:
                yield loop.run(step())
            except StopAsyncIteration:
                return
    finally:
        if not loop.loop.is_closed():  # which ended the iteration too
            loop.run(_close(items))


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()
