"""One walk through a list for all who ask for it while somebody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
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
    see what they have done themselves.
    """

    def __init__(self) -> None:
        self._lists: dict[Member, _Questions[T]] = {}

    async def walk(self, member: Member, walk: Walk[T], show: Show[T], patience: float) -> None:
        """Show a provider's list.

        Args:
            member: The provider.
            walk: Reads the list.
            show: Is given the pages.
            patience: Seconds to wait for somebody else's walk at most; then this one goes by itself, so that a walk that
                hangs holds up nobody for ever.
        """
        questions = self._lists.setdefault(member, _Questions())
        questions.asking += 1
        try:
            if questions.asking == 1:
                await walk(show)
                return
            for page in await questions.put(partial(_whole, walk), patience):
                show(page)
        finally:
            questions.asking -= 1
            if not questions.asking:
                del self._lists[member]  # and with it the last answer


class _Questions(Generic[T]):
    """One question that many have, put by one of them at a time."""

    def __init__(self) -> None:
        self.asking = 0
        self._turn = asyncio.Lock()
        self._number = 0
        self._answer: list[Page[T]] | None = None

    async def put(self, ask: Callable[[], Awaitable[list[Page[T]]]], patience: float) -> list[Page[T]]:
        """The answer to a question that is put from now on, by whomever.

        What goes wrong is told to whoever put the question, who may have had less time; the others ask for themselves.
        """
        number = self._number
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError:
            return await ask()
        try:
            if self._number == number:
                self._number += 1
                self._answer = None
                self._answer = await ask()
            answer = self._answer
        finally:
            self._turn.release()
        return await ask() if answer is None else answer


async def _whole(walk: Walk[T]) -> list[Page[T]]:
    pages: list[Page[T]] = []
    await walk(pages.append)
    return pages
