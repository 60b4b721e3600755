"""Rates of counters from two scrapes of one target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs

from purveyor.plugin import Labels, Sample

__all__ = ["Rates"]

Series = tuple[str, Labels]

LEAST = 0.5
"""Seconds that two readings must lie apart; from closer ones a rate would be noise."""


@attrs.frozen
class _Reading:
    value: float
    time: float
    stamped: bool
    rate: float | None = None


class Rates:
    """The counters of one target as they were last read.

    Args:
        longest: Seconds after which a reading is too old to take a rate from.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._before: dict[Series, _Reading] = {}

    def step(self, samples: Iterable[Sample], now: float) -> Mapping[Series, float]:
        """Rates per second of the counters that have been read before.

        A counter that fell was reset: it counts from zero. One that is new, or that was read too long ago, has no
        rate yet. Sources that give their own times are reckoned by these, since they may tell the same reading twice.

        Args:
            samples: All counters of the target, as they are now.
            now: Seconds of a clock that never goes back.
        """
        self._before = {sample.series: self._read(sample, now) for sample in samples}
        return {series: one.rate for series, one in self._before.items() if one.rate is not None}

    def _read(self, sample: Sample, now: float) -> _Reading:
        stamped = sample.timestamp is not None
        time = now if sample.timestamp is None else sample.timestamp
        fresh = _Reading(sample.value, time, stamped)
        before = self._before.get(sample.series)
        if before is None or before.stamped is not stamped or not math.isfinite(sample.value):
            return fresh
        elapsed = time - before.time
        if 0 <= elapsed < LEAST:
            return before
        if elapsed < 0 or elapsed > self._longest or not math.isfinite(before.value):
            return fresh
        risen = sample.value - before.value
        return attrs.evolve(fresh, rate=(sample.value if risen < 0 else risen) / elapsed)
