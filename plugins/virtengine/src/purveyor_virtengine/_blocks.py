"""From blocks to time: heights are all the time that a chain tells, so the pace of its blocks is measured."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import attrs

from purveyor.plugin import Call, Clock, ProtocolMismatchError, PurveyorError
from purveyor_virtengine import _rows as rows
from purveyor_virtengine._chain import Chain

__all__ = ["Pace", "Stopwatch"]

SPANS = (1000, 50)
"""Blocks to look back, the best first: nodes forget old ones."""

TTL = 600.0


@attrs.frozen
class Pace:
    """How fast blocks come.

    Attributes:
        height: Of the latest block.
        time: When that one was made.
        seconds: From one block to the next, on average.
    """

    height: int
    time: datetime
    seconds: float

    def when(self, height: int) -> datetime | None:
        """About when a block was made; None for heights that mean nothing."""
        if not 0 < height <= self.height:
            return None
        try:
            return self.time - timedelta(seconds=(self.height - height) * self.seconds)
        except OverflowError:
            return None


class Stopwatch:
    """Measures the pace, and remembers it.

    Args:
        chain: Whose blocks.
        clock: Time.
    """

    def __init__(self, chain: Chain, clock: Clock) -> None:
        self._chain, self._clock = chain, clock
        self._seconds: float | None = None
        self._until = float("-inf")
        self._measuring = asyncio.Lock()

    async def pace(self, call: Call) -> Pace:
        """The latest block and the pace; two requests at first, one while the pace is remembered.

        Raises:
            ProtocolMismatchError: The blocks' times make no sense, or the chain has only just begun.
        """
        latest = await self._chain.block(call)
        async with self._measuring:
            if self._seconds is None or self._clock.monotonic() >= self._until:
                self._seconds = await self._measured(latest, call)
                self._until = self._clock.monotonic() + TTL
            return Pace(latest.height, latest.time, self._seconds)

    async def _measured(self, latest: rows.Header, call: Call) -> float:
        failed: PurveyorError | None = None
        for span in sorted({min(span, latest.height - 1) for span in SPANS} - {0, -1}, reverse=True):
            try:
                earlier = await self._chain.block(call, latest.height - span)
            except PurveyorError as error:
                failed = error
                continue
            seconds = (latest.time - earlier.time).total_seconds() / (latest.height - earlier.height or span)
            if seconds > 0:
                return seconds
        raise failed or ProtocolMismatchError("the times of the chain's blocks make no sense")
