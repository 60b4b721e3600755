"""Walking through the pages of a list, in order, each once, and never for ever."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

import attrs

from purveyor.model.errors import ProtocolMismatchError

__all__ = ["Fetched", "by_cursor", "by_page"]

T = TypeVar("T")


@attrs.frozen
class Fetched(Generic[T]):
    """One page of a list, as fetched.

    Attributes:
        rows: What is on it.
        total_pages: How many pages there are, where the API says so.
        next: What leads to the next page; None on the last one.
    """

    rows: Sequence[T]
    total_pages: int | None = None
    next: str | int | None = None


async def by_page(
    fetch: Callable[[int], Awaitable[Fetched[T]]], *, overlap: int = 1, max_pages: int = 10_000
) -> AsyncGenerator[Fetched[T], None]:
    """Walk through pages that are numbered from 1.

    As long as pages tell how many there are, the newest of these numbers counts; without it the walk goes on while
    there is a ``next``. Wrap it in ``contextlib.aclosing`` to have fetches that run ahead ended right where you stop.

    Args:
        fetch: Fetches the page of a number.
        overlap: How many fetches may run at a time; 1 fetches a page only when it is asked for.
        max_pages: Where a list is taken to be endless.

    Raises:
        ProtocolMismatchError: The list leads in a circle or does not end.
    """
    running: deque[asyncio.Future[Fetched[T]]] = deque()
    guard = _Guard(max_pages)
    page, last, width = 0, 1, 1
    try:
        while page < last:
            while width > 1 and len(running) < min(width, last - page):
                running.append(asyncio.ensure_future(fetch(page + len(running) + 1)))
            fetched = await (running.popleft() if running else fetch(page + 1))
            page += 1
            if fetched.total_pages is None:
                last, width = page + guard.more(page, fetched.next), 1
            else:
                last, width = guard.within(fetched.total_pages), overlap
            yield fetched
    finally:
        if running:
            for future in running:
                future.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def by_cursor(
    fetch: Callable[[str | None], Awaitable[Fetched[T]]], *, max_pages: int = 10_000, ahead: bool = False
) -> AsyncGenerator[Fetched[T], None]:
    """Walk through pages where each one names the next.

    Args:
        fetch: Fetches the page of a cursor; None is the first.
        ahead: Begin to fetch the next page before this one is given out, for lists that are read to their end. Wrap it
            in ``contextlib.aclosing`` to have that ended right where you stop.
        max_pages: Where a list is taken to be endless.

    Raises:
        ProtocolMismatchError: The list leads in a circle or does not end.
    """
    walk = _follow(fetch, _Guard(max_pages))
    async with aclosing(_beforehand(walk) if ahead else walk) as pages:
        async for fetched in pages:
            yield fetched


async def _follow(
    fetch: Callable[[str | None], Awaitable[Fetched[T]]], guard: _Guard
) -> AsyncGenerator[Fetched[T], None]:
    page, cursor = 1, None
    while True:
        fetched = await fetch(cursor)
        more = guard.more(page, fetched.next)
        yield fetched
        if not more:
            return
        page, cursor = page + 1, str(fetched.next)


async def _beforehand(pages: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same pages, while the next one is on its way already."""
    ready: asyncio.Queue[T | BaseException | None] = asyncio.Queue(1)

    async def read() -> None:
        end: BaseException | None = None
        try:
            async for page in pages:
                await ready.put(page)
        except Exception as error:  # noqa: BLE001 - it is raised where the pages are read
            end = error
        await ready.put(end)

    reading = asyncio.create_task(read())
    try:
        while (page := await ready.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            yield page
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await pages.aclose()


class _Guard:
    """Refuses lists that do not end."""

    def __init__(self, max_pages: int) -> None:
        self._max_pages = max_pages
        self._seen: set[str] = set()

    def within(self, last: int) -> int:
        if last > self._max_pages:
            raise ProtocolMismatchError(f"the list has more than {self._max_pages} pages")
        return last

    def more(self, page: int, following: str | int | None) -> bool:
        """Whether something new follows this page."""
        if following is None:
            return False
        if str(following) in self._seen:
            raise ProtocolMismatchError("the list leads back to a page that was there before")
        self._seen.add(str(following))
        return self.within(page + 1) > page
