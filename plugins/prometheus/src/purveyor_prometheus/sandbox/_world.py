"""The simulated truth: every series as a function of time, read by the endpoints and by the queries alike.

Nothing is recorded. A scrape at some time is the value of the function then, so the past is there from the start and
two runs with one seed are the same to the letter.
"""

import bisect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

Labels = Mapping[str, str]

LOOKBACK = 300.0
"""Seconds for which a query takes a sample as the present one."""


@attrs.frozen
class Wave:
    """An amount that goes up and down around a mean."""

    mean: float
    swing: float
    period: float
    """Seconds."""
    phase: float
    """0 to 1."""

    def at(self, moment: float) -> float:
        """The amount."""
        return self.mean + self.swing * math.sin(self._angle(moment))

    def between(self, start: float, end: float) -> float:
        """What has come together: the integral."""
        waves = math.cos(self._angle(start)) - math.cos(self._angle(end))
        return self.mean * (end - start) + self.swing * self.period / math.tau * waves

    def _angle(self, moment: float) -> float:
        return math.tau * (moment / self.period + self.phase)


@attrs.define(eq=False)
class Life:
    """When something was started, over and over; its counters begin at zero each time."""

    starts: list[float]
    """Oldest first."""

    def restart(self, moment: float) -> None:
        """Start it again."""
        self.starts.append(moment)

    def since(self, moment: float) -> float:
        """When it was last started before that."""
        return self.starts[max(bisect.bisect_right(self.starts, moment) - 1, 0)]


@attrs.frozen(eq=False)
class Family:
    """One family of a target: each series' labels, and its value at any time."""

    name: str
    type: str
    help: str
    series: tuple[tuple[Labels, Callable[[float], float]], ...]


@attrs.define(eq=False)
class Target:
    """What is scraped: an endpoint and all that it says."""

    job: str
    path: str
    families: tuple[Family, ...]
    stamped: bool = False
    """Whether its samples carry times of their own."""
    _turns: list[tuple[float, bool]] = attrs.field(factory=list, init=False)

    def turn(self, moment: float, *, up: bool) -> None:
        """Let it answer from then on, or not."""
        self._turns.append((moment, up))

    def up(self, moment: float) -> bool:
        """Whether it answers."""
        before = [up for at, up in self._turns if at <= moment]
        return before[-1] if before else True

    def health(self, moment: float) -> float:
        """1 if it answers, 0 if not: what the server keeps as ``up``."""
        return float(self.up(moment))

    def text(self, moment: float) -> str:
        """What it says, as text 0.0.4."""
        stamp = f" {round(moment * 1000)}" if self.stamped else ""
        lines: list[str] = []
        for family in self.families:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.type}"]
            lines += [
                f"{family.name}{braces(labels)} {number(value(moment))}{stamp}"
                for labels, value in family.series
            ]
        return "\n".join(lines) + "\n"


def braces(labels: Labels) -> str:
    """Labels as the text formats have them; empty for none."""
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for name, value in labels.items()
    }
    inside = ",".join(f'{name}="{value}"' for name, value in escaped.items())
    return f"{{{inside}}}" if inside else ""


def number(value: float) -> str:
    """A number as Go writes it: whole ones without a point."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


@attrs.frozen(eq=False)
class Stored:
    """One series as a server that scrapes keeps it."""

    name: str
    labels: Labels
    """The target's among them, the name not."""
    target: Target
    _value: Callable[[float], float]
    _storage: "Storage"

    def at(self, moment: float) -> tuple[float, float] | None:
        """Time and value of the sample that counts as present; None if it has vanished or was never there."""
        last = self._storage.last_scrape(moment)
        if (
            self.target.stamped
        ):  # no scrape says that such a series has ended: it stays for as long as one looks back
            last = next((at for at in self._storage.before(last) if self._answers(at)), last)
        fresh = moment - last <= LOOKBACK
        return (last, self._value(last)) if fresh and self._answers(last) else None

    def within(self, start: float, end: float) -> list[tuple[float, float]]:
        """All samples from ``start`` to ``end``, both inclusive."""
        return [(at, self._value(at)) for at in self._storage.scrapes(start, end) if self._answers(at)]

    def _answers(self, moment: float) -> bool:
        return moment >= self._storage.since and (self.name == "up" or self.target.up(moment))


@attrs.define(eq=False)
class Storage:
    """A server that scrapes all targets at every multiple of an interval, and has done so since ``since``."""

    targets: tuple[Target, ...]
    interval: float
    since: float
    instance: Callable[[], str]
    """Host and port of the targets."""
    now: Callable[[], float]

    def last_scrape(self, moment: float) -> float:
        """When it was."""
        return math.floor(min(moment, self.now()) / self.interval) * self.interval

    def before(self, scrape: float) -> Iterator[float]:
        """That scrape and those before it, as far as one looks back."""
        return (scrape - step * self.interval for step in range(int(LOOKBACK / self.interval) + 1))

    def scrapes(self, start: float, end: float) -> Iterator[float]:
        """When it scraped between two moments."""
        first = math.ceil(max(start, self.since) / self.interval)
        last = math.floor(min(end, self.now()) / self.interval)
        return (step * self.interval for step in range(first, last + 1))

    def series(self) -> Iterable[Stored]:
        """Everything that it keeps."""
        instance = self.instance()
        for target in self.targets:
            own = {"instance": instance, "job": target.job}
            yield Stored("up", own, target, target.health, self)
            for family in target.families:
                for labels, value in family.series:
                    yield Stored(family.name, {**labels, **own}, target, value, self)
