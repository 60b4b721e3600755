"""Seeing many providers at once: items as they come, each provider with its own deadline, none in another's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing
from datetime import datetime
from typing import Generic, TypeVar

import attrs

from purveyor.engine.registry import Asked, Member
from purveyor.model.errors import ProtocolMismatchError, PurveyorError
from purveyor.model.views import Page, View

__all__ = ["Memory", "Show", "Source", "ViewStream"]

T = TypeVar("T")

Show = Callable[[Page[T]], None]
Source = Callable[[Member, Show[T]], Awaitable[None]]
"""Shows a member's pages one by one to the callback; returns when there are no more."""


@attrs.frozen
class _Remembered(Generic[T]):
    items: tuple[T, ...]
    at: datetime


class Memory(Generic[T]):
    """The last complete answer of each provider to one kind of question."""

    def __init__(self) -> None:
        self.answers: dict[str, _Remembered[T]] = {}

    def keep(self, provider: str, items: Sequence[T], at: datetime) -> None:
        """Remember a complete answer."""
        self.answers[provider] = _Remembered(tuple(items), at)


class ViewStream(Generic[T]):
    """A view that is still coming in.

    Iterate it for the items as they arrive, or ``await stream.collect()`` for all of them. Either may be done once.
    After the iteration ``failures`` says what is missing.
    """

    def __init__(
        self,
        members: Callable[[], Asked],
        source: Source[T],
        now: Callable[[], datetime],
        memory: Memory[T] | None = None,
    ) -> None:
        self.failures: dict[str, PurveyorError] = {}
        self._members = members
        self._source = source
        self._now = now
        self._memory = memory
        self._whole: dict[str, list[T]] = {}

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """Items in the order in which they arrive, each provider's in its own order."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for item in page:
                    yield item

    async def _pages(self) -> AsyncGenerator[tuple[T, ...], None]:
        pages: asyncio.Queue[tuple[T, ...] | None] = asyncio.Queue()
        asked = self._members()
        tasks: list[asyncio.Task[None]] = []

        def ask(members: Sequence[Member]) -> None:
            for member in members:
                stack.enter_context(member.gate.used())
                tasks.append(asyncio.create_task(self._feed(member, pages)))

        with ExitStack() as stack:
            ask(asked.members)
            for name, search in asked.arriving.items():
                tasks.append(asyncio.create_task(self._await(name, search, ask, pages)))
            ended = 0
            try:
                while ended < len(tasks):
                    page = await pages.get()
                    if page is None:
                        ended += 1
                    else:
                        yield page
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _await(
        self,
        name: str,
        search: Callable[[], Awaitable[Sequence[Member]]],
        ask: Callable[[Sequence[Member]], None],
        pages: asyncio.Queue[tuple[T, ...] | None],
    ) -> None:
        """Ask those too that are only found now."""
        try:
            ask(await search())
        except Exception as exc:  # noqa: BLE001 - as below
            self.failures.setdefault(name, _ours(exc, name))
        finally:
            pages.put_nowait(None)

    async def collect(self) -> View[T]:
        """Everything; in place of a provider that fails, its last complete answer, named in ``stale``."""
        items = [item async for page in self._pages() for item in page]
        stale: dict[str, datetime] = {}
        for provider in self.failures:
            last = self._memory.answers.get(provider) if self._memory else None
            if last is not None and not self._whole.get(provider):
                items.extend(last.items)
                stale[provider] = last.at
        return View(items=tuple(items), failures=dict(self.failures), stale=stale)

    async def _feed(self, member: Member, pages: asyncio.Queue[tuple[T, ...] | None]) -> None:
        got = self._whole.setdefault(member.name, [])
        unreadable: list[PurveyorError] = []

        def show(page: Page[T]) -> None:
            got.extend(page.items)
            pages.put_nowait(page.items)
            unreadable.extend(page.unreadable)

        try:
            await self._source(member, show)
        except Exception as exc:  # noqa: BLE001 - nothing that goes wrong may look like a whole answer
            self.failures[member.name] = _ours(exc, member.name)
        else:
            if unreadable:
                self.failures[member.name] = _unreadable(member.name, unreadable)
            elif self._memory is not None:
                self._memory.keep(member.name, got, self._now())
        finally:
            pages.put_nowait(None)


def _ours(exc: Exception, provider: str) -> PurveyorError:
    if isinstance(exc, PurveyorError):
        return exc
    bug = PurveyorError(f"the view failed with {type(exc).__name__}", provider=provider)
    bug.__cause__ = exc
    return bug


def _unreadable(provider: str, errors: Sequence[PurveyorError]) -> PurveyorError:
    """One error that stands for all rows that could not be read."""
    if len(errors) == 1:
        return errors[0]
    return ProtocolMismatchError(
        f"{len(errors)} rows could not be read; the first: {errors[0].message}",
        provider=provider,
        operation=errors[0].operation,
        details={"rows": [error.message for error in errors]},
    )
