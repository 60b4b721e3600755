"""Rates of counters from two scrapes of one target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from purveyor.plugin import Labels, Sample

__all__ = ["Rates"]

Series = tuple[str, Labels]

LEAST = 0.5
"""Seconds that two readings must lie apart; from closer ones a rate would be noise."""


# A plain tuple, since there are very many and the garbage collector leaves those of numbers alone.
_Reading = tuple[float, float, bool, float | None]
"""Value, time, whether the time is the source's own, and the rate."""


class Rates:
    """The counters of one target as they were last read.

    Args:
        longest: Seconds after which a reading is too old to take a rate from.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._before: dict[Series, _Reading] = {}

    def step(self, samples: Sequence[Sample], now: float) -> Mapping[Series, float]:
        """Rates per second of the counters that have been read before.

        A counter that fell was reset: it counts from zero. One that is new, or that was read too long ago, has no
        rate yet. Sources that give their own times are reckoned by these, since they may tell the same reading twice.

        Args:
            samples: All counters of the target, as they are now.
            now: Seconds of a clock that never goes back.
        """
        for sample in samples:
            series = sample.series
            self._before[series] = self._read(self._before.get(series), sample.value, sample.timestamp, now)
        if len(self._before) > len(samples):
            there = {sample.series for sample in samples}
            self._before = {series: one for series, one in self._before.items() if series in there}
        return {series: one[3] for series, one in self._before.items() if one[3] is not None}

    def _read(self, before: _Reading | None, value: float, timestamp: float | None, now: float) -> _Reading:
        stamped = timestamp is not None
        time = now if timestamp is None else timestamp
        fresh = (value, time, stamped, None)
        if before is None or not math.isfinite(value):
            return fresh
        last, at, was_stamped, _ = before
        elapsed = time - at
        if was_stamped is not stamped or elapsed < 0 or elapsed > self._longest or not math.isfinite(last):
            return fresh
        if elapsed < LEAST:
            return before
        return value, time, stamped, (value if value < last else value - last) / elapsed
