"""One provider's part of a streamed view: every item once, whatever breaks on the way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

import attrs

from purveyor.engine.registry import Member
from purveyor.engine.views import Show, Source
from purveyor.model.views import Page
from purveyor.spi.call import Call, Clock, Effect

__all__ = ["listing"]


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Identified)

Pages = Callable[[Member, Call], Awaitable[AsyncIterator[Page[T]]]]
Refine = Callable[[Member, tuple[T, ...], Call], Awaitable[tuple[T, ...]]]


def listing(
    operation: str, pages: Pages[T], *, seconds: float, clock: Clock, refine: Refine[T] | None = None
) -> Source[T]:
    """A view's source from a facet's streaming method.

    Args:
        operation: The method's name.
        pages: Calls it.
        seconds: That each provider has.
        clock: Time.
        refine: What is done to the items of a page before they are shown.
    """

    async def source(member: Member, show: Show[T]) -> None:
        seen: set[str] = set()  # a try that broke off has shown some already

        async def work(call: Call) -> None:
            async with contextlib.aclosing(_closable(await pages(member, call))) as stream:
                async for page in stream:
                    fresh = {one.id: one for one in page.items if one.id not in seen}
                    seen.update(fresh)
                    items = tuple(fresh.values())
                    if refine is not None:
                        items = await refine(member, items, call)
                    show(attrs.evolve(page, items=items))

        await member.gate.call(operation, Effect.READ, work, deadline=clock.monotonic() + seconds)

    return source


async def _closable(pages: AsyncIterator[Page[T]]) -> AsyncGenerator[Page[T], None]:
    """The same pages, with an ``aclose`` that reaches the provider's own generator."""
    try:
        async for page in pages:
            yield page
    finally:
        close = getattr(pages, "aclose", None)
        if close is not None:
            await close()
