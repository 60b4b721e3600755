"""Who is asked for each machine of one wish, chosen only once somebody is to be asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from purveyor.engine.choosing import Choice, Chooser, Turn, Wish
from purveyor.model.errors import NoCompatibleProvidersError
from purveyor.model.selection import Explanation, Rejection
from purveyor.spi.call import Clock

__all__ = ["Turns"]


class Turns:
    """The turns of one wish; all are taken together, once the first is asked for."""

    def __init__(self, chooser: Chooser, wish: Wish, count: int, clock: Clock, deadline: float) -> None:
        self._count = count
        self._waiting: deque[Turn] = deque()
        self._chooser = chooser
        self._wish = wish
        self._clock = clock
        self._deadline = deadline
        self._one_at_a_time = asyncio.Lock()
        self._choice: Choice | None = None
        self._first: Turn | None = None

    async def take(self) -> Turn:
        """The next turn.

        Raises:
            NoCompatibleProvidersError: Nobody can serve the wish.
        """
        async with self._one_at_a_time:
            if self._choice is None:
                now = self._clock.monotonic()
                # Half of the time is for looking, so that a provider that hangs leaves the others time to answer.
                self._choice = await self._chooser.choose(self._wish, now + (self._deadline - now) / 2)
            if not self._choice.candidates:
                raise _nobody(self._choice.rejected)
            while len(self._waiting) < max(1, self._count):
                turn = await self._chooser.take(self._choice)
                self._choice.picked[turn.first.provider] += 1
                self._waiting.append(turn)
            self._count = 0
            self._first = self._first or self._waiting[0]
            return self._waiting.popleft()

    @property
    def explanation(self) -> Explanation | None:
        """The choice as the first turn saw it; None if nobody was to be asked."""
        return self._first.choice.explanation(self._first.facts) if self._first else None


def _nobody(rejected: Sequence[Rejection]) -> NoCompatibleProvidersError:
    reasons = {rejection.provider: rejection.reason for rejection in rejected}
    return NoCompatibleProvidersError(
        "no provider can serve this request: " + "; ".join(f"{name}: {why}" for name, why in reasons.items()),
        details={"rejected": reasons},
    )
