"""What a daemon remembers of a stream, and who listens to it."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")

KEPT, BUFFERED = 2000, 50
"""Entries that a daemon keeps, and that it holds for a listener who is slow."""


@attrs.define(eq=False)
class Feed(Generic[T]):
    """The newest entries and the listeners. One who is too slow silently misses entries, as at the daemon."""

    _kept: deque[T] = attrs.field(factory=lambda: deque(maxlen=KEPT), init=False)
    _queues: set[asyncio.Queue[T]] = attrs.field(factory=set, init=False)

    def add(self, entry: T) -> None:
        """Keep it, and tell everybody."""
        self._kept.append(entry)
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(entry)

    def tail(self, count: int) -> Sequence[T]:
        """The newest entries, oldest first; 0 or fewer is all of them."""
        kept = list(self._kept)
        return kept[-count:] if count > 0 else kept

    @property
    def listeners(self) -> int:
        """How many follow it now."""
        return len(self._queues)

    @contextlib.contextmanager
    def heard(self) -> Iterator["asyncio.Queue[T]"]:
        """What is added from now on."""
        queue: asyncio.Queue[T] = asyncio.Queue(BUFFERED)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)


async def next_or_none(queue: "asyncio.Queue[T]", seconds: float | None) -> T | None:
    """The next entry, or None when there was none for so long (wall time)."""
    try:
        return await asyncio.wait_for(queue.get(), seconds)
    except TimeoutError:
        return None
