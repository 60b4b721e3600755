"""The sandbox's own time: read on demand, with things that fall due later.

Nothing here runs in the background. What falls due is done when somebody next looks (a request, the log,
an advance), in order of its due time and *at* its due time, so nobody can tell it from a timer.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import attrs

Speed = Literal["real", "fast", "stepped"]

STEPPED_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where a stepped clock starts unless told otherwise, so that runs repeat to the letter."""

FAST = 0.01
"""How long lifecycles take in fast mode, relative to the real thing."""


@attrs.define(eq=False)
class Clock:
    """Sandbox time in epoch seconds.

    ``real`` and ``fast`` follow the wall clock, so timestamps make sense to a client that compares them
    with its own; fast only shortens lifecycles. ``stepped`` stands still until `advance`.
    """

    speed: Speed = "fast"
    start_at: datetime | None = None
    _base: float = attrs.field(init=False)
    _began: float = attrs.field(factory=time.monotonic, init=False)
    _pinned: float | None = attrs.field(default=None, init=False)
    _due: list[tuple[float, int, Callable[[], object]]] = attrs.field(factory=list, init=False)
    _order: "itertools.count[int]" = attrs.field(factory=itertools.count, init=False)

    def __attrs_post_init__(self) -> None:
        start = self.start_at or (STEPPED_START if self.speed == "stepped" else datetime.now(UTC))
        self._base = start.timestamp()

    @property
    def now(self) -> float:
        """The present; while something due is being done, the moment it was due."""
        if self._pinned is not None:
            return self._pinned
        running = 0.0 if self.speed == "stepped" else time.monotonic() - self._began
        return self._base + running

    def lifecycle(self, seconds: float) -> float:
        """How long something that really takes `seconds` takes here."""
        return seconds * FAST if self.speed == "fast" else seconds

    def after(self, seconds: float, action: Callable[[], object]) -> float:
        """Do `action` once `seconds` of sandbox time have passed; returns when that is."""
        due = self.now + seconds
        heapq.heappush(self._due, (due, next(self._order), action))
        return due

    def settle(self) -> None:
        """Do everything that has fallen due, each at its own moment."""
        present = self.now
        while self._pinned is None and self._due and self._due[0][0] <= present:
            due, _, action = heapq.heappop(self._due)
            self._pinned = due
            try:
                action()
            finally:
                self._pinned = None

    def advance(self, seconds: float) -> None:
        """Move time forward, and do what falls due on the way."""
        if seconds < 0:
            raise ValueError("sandbox time only moves forward")
        self._base += seconds
        self.settle()


def rfc3339(moment: float, *, fraction: bool = False) -> str:
    """A moment as RFC 3339 in UTC, ending in ``Z``; with microseconds on request."""
    spec = "microseconds" if fraction else "seconds"
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=spec).replace("+00:00", "Z")
