"""Reads line by line: every document that a collector should take, and the reason why it should not."""

from __future__ import annotations

from collections.abc import Iterator

from purveyor.plugin import Exemplar, Labels, MetricFamily, MetricType, Sample
from purveyor_prometheus._exposition_grammar import (
    NUMBER_CHARACTERS,
    BadLine,
    Declared,
    Dialect,
    ExpositionLimits,
    SampleLine,
    labels,
    note,
    number,
    sample_line,
    seconds,
    series,
)

SERIES_KEPT = 50_000
LONGEST_SERIES_KEPT = 2048

SeriesCache = dict[str, tuple[str, Labels]]


class LineReader:
    """One document on its way through."""

    def __init__(self, dialect: Dialect, limits: ExpositionLimits, known: SeriesCache) -> None:
        self._dialect = dialect
        self._limits = limits
        self._known = known
        self._declared = Declared()
        self._families: dict[str, list[Sample]] = {}
        self._with_samples: set[str] = set()
        self._count = 0
        self._ended = False

    def read(self, line: str) -> None:
        """Take in one line.

        Raises:
            BadLine: A collector should refuse it.
        """
        if self._ended:
            raise BadLine("text after # EOF")
        if self._dialect is Dialect.OPENMETRICS:
            if line == "# EOF":
                self._ended = True
            elif line[:1] == "#":
                note(line, self._declared, self._dialect)
            else:
                self._read_sample(line)
        elif start := line.lstrip(" \t\r")[:1]:
            # Windows line ends are no part of the format, but servers behind some proxies send them.
            line = line.removesuffix("\r")
            if start == "#":
                note(line, self._declared, self._dialect)
            else:
                self._read_sample(line)

    def close(self) -> None:
        """Say that no line is left.

        Raises:
            BadLine: The document is not complete.
        """
        if self._dialect is Dialect.OPENMETRICS and not self._ended:
            raise BadLine("the document does not end with # EOF: it was cut")

    def take(self, *, finished: bool) -> Iterator[MetricFamily]:
        """Hand out the families that were read, in the order of their first samples.

        The last one waits for more samples unless the document is ``finished``; then those without any follow too.
        """
        for name in list(self._families)[: None if finished else -1]:
            yield self._family(name, self._families.pop(name))
        if finished:
            for name in self._declared.order:
                if name not in self._with_samples:
                    yield self._family(name, [])

    def _family(self, name: str, samples: list[Sample]) -> MetricFamily:
        said = self._declared
        kind = said.types.get(name, MetricType.UNKNOWN)
        return MetricFamily(name, kind, said.helps.get(name, ""), said.units.get(name, ""), samples)

    def _read_sample(self, line: str) -> None:
        self._count += 1
        if self._count > self._limits.samples:
            raise BadLine(f"more than {self._limits.samples} samples")
        # Nearly all lines are a series, a blank and a number, or those and a time: then the series may be known already.
        head, _, tail = line.rpartition(" ")
        if tail and not tail.strip(NUMBER_CHARACTERS):
            known = self._known.get(head)
            if known is not None:
                self._add(Sample(*known, number(tail)))
                return
            head, _, value = head.rpartition(" ")
            known = self._known.get(head)
            if known is not None and value and not value.strip(NUMBER_CHARACTERS):
                self._add(Sample(*known, number(value), seconds(tail, self._dialect)))
                return
        self._read_parts(sample_line(line, self._dialect))

    def _read_parts(self, line: SampleLine) -> None:
        name, its_labels = self._series(line.series)
        if line.value[0] == "{":
            return  # a native histogram: it is no single number
        exemplar = None
        if line.exemplar:
            if not name.endswith(("_total", "_bucket")):
                raise BadLine(f"{name[:60]!r} cannot have an exemplar")
            exemplar = self._exemplar(*line.exemplar)
        value, timestamp = number(line.value), self._seconds(line.timestamp)
        self._add(Sample(name, its_labels, value, timestamp, exemplar))

    def _series(self, text: str) -> tuple[str, Labels]:
        found = self._known.get(text)
        if found is None:
            found = series(text, self._dialect, self._limits)
            if len(self._known) >= SERIES_KEPT:
                self._known.clear()
            if len(text) <= LONGEST_SERIES_KEPT:
                self._known[text] = found
        return found

    def _exemplar(self, inside: str, value: str, timestamp: str | None) -> Exemplar:
        name, found = labels(inside, self._dialect, self._limits)
        if name is not None:
            raise BadLine("an exemplar with a name")
        return Exemplar(found, number(value), self._seconds(timestamp))

    def _seconds(self, text: str | None) -> float | None:
        return None if text is None else seconds(text, self._dialect)

    def _add(self, sample: Sample) -> None:
        owner = self._declared.owner_of(sample.name)
        samples = self._families.get(owner)
        if samples is None:
            samples = self._families[owner] = []
            self._with_samples.add(owner)
        samples.append(sample)
