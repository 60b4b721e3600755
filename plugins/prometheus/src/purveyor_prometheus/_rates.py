"""Rates of counters from two scrapes of one target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from purveyor.plugin import Labels, Sample

__all__ = ["Rates"]

LEAST = 0.5
"""Seconds that two readings must lie apart; from closer ones a rate would be noise."""

_Reading = tuple[float, float, bool, float | None]
"""Value, time, whether the time is the source's own, and the rate."""


class Rates:
    """The counters of one target as they were last read.

    In a few columns: what lives from one reading to the next is all looked at by the garbage collector, unless it is a number.

    Args:
        longest: Seconds after which a reading is too old to take a rate from.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._series: dict[str, list[Labels]] = {}
        self._readings: dict[str, tuple[Sequence[float | None], ...]] = {}

    def step(self, counters: Mapping[str, Sequence[Sample]], now: float) -> dict[str, Sequence[float | None]]:
        """Rates per second, in the order of the counters; None for those that have not been read before.

        A counter that fell was reset: it counts from zero. One that is new, or that was read too long ago, has no
        rate yet. Sources that give their own times are reckoned by these, since they may tell the same reading twice.

        Args:
            counters: All counters of the target by name, each series once, as they are now.
            now: Seconds of a clock that never goes back.
        """
        for name in self._series.keys() - counters.keys():
            del self._series[name], self._readings[name]
        for name, samples in counters.items():
            before = self._before(name, [one.labels for one in samples])
            rows = [
                self._read(old, one.value, one.timestamp, now)
                for old, one in zip(before, samples, strict=True)
            ]
            self._readings[name] = tuple(zip(*rows, strict=True))
        return {name: columns[3] if columns else () for name, columns in self._readings.items()}

    def _before(self, name: str, series: list[Labels]) -> Iterable[_Reading | None]:
        """The last readings of these series, which are mostly the same ones in the same order, and kept from now on."""
        known, readings = self._series.get(name, []), zip(*self._readings.get(name, ()), strict=True)
        if known == series:
            return readings
        self._series[name] = series
        old = dict(zip(known, readings, strict=True))
        return map(old.get, series)

    def _read(self, before: _Reading | None, value: float, timestamp: float | None, now: float) -> _Reading:
        stamped = timestamp is not None
        time = now if timestamp is None else timestamp
        if before is not None and before[2] is stamped:
            last, elapsed = before[0], time - before[1]
            if 0 <= elapsed <= self._longest and math.isfinite(value) and math.isfinite(last):
                if elapsed < LEAST:
                    return before
                return value, time, stamped, (value if value < last else value - last) / elapsed
        return value, time, stamped, None
