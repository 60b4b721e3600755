"""One provider's part of a streamed view: every item once, whatever breaks on the way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

import attrs

from purveyor.engine.gate import closable
from purveyor.engine.registry import Member
from purveyor.engine.sharing import Shared
from purveyor.engine.views import Show, Source
from purveyor.model.views import Page
from purveyor.spi.call import Call, Clock, Effect

__all__ = ["listing"]


class _Identified(Protocol):
    @property
    def provider(self) -> str: ...
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Identified)

_WAITING = 0.1
"""How much of the time one waits for others at most: what is left must do for a list that is long."""

Pages = Callable[[Member, Call], Awaitable[AsyncIterator[Page[T]]]]
Refine = Callable[[Member, tuple[T, ...], Call], Awaitable[tuple[T, ...]]]


def listing(
    operation: str,
    pages: Pages[T],
    *,
    seconds: float,
    clock: Clock,
    refine: Refine[T] | None = None,
    shared: Shared[T] | None = None,
) -> Source[T]:
    """A view's source from a facet's streaming method.

    Args:
        operation: The method's name.
        pages: Calls it.
        seconds: That each provider has.
        clock: Time.
        refine: What is done to the items of a page before they are shown.
        shared: Lets those who ask at once share a walk; None where each goes by itself.
    """

    async def source(member: Member, show: Show[T]) -> None:
        deadline = clock.monotonic() + seconds

        async def walk(show: Show[T]) -> None:
            seen: set[tuple[str, str]] = set()  # a try that broke off has shown some already

            async def work(call: Call) -> None:
                async with contextlib.aclosing(closable(await pages(member, call))) as stream:
                    async for page in stream:
                        named = {(one.provider, one.id): one for one in page.items}
                        items = tuple(one for name, one in named.items() if name not in seen)
                        seen.update(named)
                        if refine is not None:
                            items = await refine(member, items, call)
                        show(attrs.evolve(page, items=items))

            await member.gate.call(operation, Effect.READ, work, deadline=deadline)

        if shared is None:
            await walk(show)
        else:
            await shared.walk(member, walk, show, patience=seconds * _WAITING)

    return source
