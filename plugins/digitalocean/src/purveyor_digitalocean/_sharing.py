"""One answer for all who ask the same thing at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Shared"]

_T = TypeVar("_T")
_PATIENCE = 1.0
"""Seconds to wait for somebody else's question; then one asks oneself, so that one that hangs holds up nobody."""


class Shared(Generic[_T]):
    """Asks one question at a time, and gives the answer to everybody who was waiting when it was put.

    Nobody gets an answer to a question that was put before they asked, so all see what they have done themselves.
    What goes wrong is only told to those who put the question: the next one asks again.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._put = 0
        self._answered = 0
        self._answer: _T

    async def get(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The answer to a question that was put after this call, by whomever."""
        put = self._put
        if self._turn.locked():
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._turn.acquire()
            except TimeoutError:
                return await ask()
        else:
            await self._turn.acquire()  # at once
        try:
            if self._answered <= put:
                self._put += 1
                self._answer = await ask()
                self._answered = self._put
            return self._answer
        finally:
            self._turn.release()
