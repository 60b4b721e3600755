"""One walk through a list for all who ask for it while somebody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from purveyor.engine.registry import Member
from purveyor.engine.views import Show
from purveyor.model.views import Page

__all__ = ["Shared", "Walk"]

T = TypeVar("T")

Walk = Callable[[Show[T]], Awaitable[None]]
"""Shows a list page by page."""


class Shared(Generic[T]):
    """The lists of one kind that are being read, by their provider.

    Whoever comes first is shown the pages as they come. Those who ask meanwhile share the walks that follow: many at once
    cost three, and not as many as they are. Nobody is shown an answer that was asked for before they asked, so that all
    see what they have done themselves; and only a whole answer is shared.
    """

    def __init__(self) -> None:
        self._lists: dict[Member, _Line[T]] = {}

    async def walk(self, member: Member, walk: Walk[T], show: Show[T], patience: float) -> None:
        """Show a provider's list.

        Args:
            member: The provider.
            walk: Reads the list.
            show: Is given the pages.
            patience: Seconds to wait for others at most; then this one goes by itself.
        """
        line = self._lists.setdefault(member, _Line())
        line.length += 1
        try:
            if line.length == 1:
                await walk(show)
            else:
                await line.walk(walk, show, patience)
        finally:
            line.length -= 1
            if not line.length:
                del self._lists[member]  # and with it the last answer


class _Line(Generic[T]):
    """Those who want the same list: one of them reads it at a time, and the others are shown what that one was."""

    def __init__(self) -> None:
        self.length = 0
        self._turn = asyncio.Lock()
        self._number = 0
        self._answer: list[Page[T]] | None = None

    async def walk(self, walk: Walk[T], show: Show[T], patience: float) -> None:
        number = self._number
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError:
            await walk(show)
            return
        try:
            if self._number == number or self._answer is None:
                await self._read(walk, show)
                return
            answer = self._answer
        finally:
            self._turn.release()
        for page in answer:
            show(page)

    async def _read(self, walk: Walk[T], show: Show[T]) -> None:
        pages: list[Page[T]] = []

        def both(page: Page[T]) -> None:
            pages.append(page)
            show(page)

        self._number, self._answer = self._number + 1, None
        await walk(both)
        self._answer = pages
