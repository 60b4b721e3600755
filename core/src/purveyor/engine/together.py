"""Doing several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

__all__ = ["together"]

T = TypeVar("T")


async def together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What each of them gives, in their order; a single one needs no task, which would cost more than most of them do."""
    if len(works) == 1:
        return [await works[0]]
    return await asyncio.gather(*works)
