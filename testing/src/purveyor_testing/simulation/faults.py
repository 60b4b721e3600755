"""What goes wrong in a world: drawn once from its seed, so that most worlds are rough in a few ways and calm in others."""

from __future__ import annotations

import random

import attrs

__all__ = ["GRACE", "LATE", "TIMEOUT", "Faults"]

TIMEOUT, LATE, GRACE = 8.0, 12.0, 6.0
"""The bounds that the clouds keep and the clients are told: seconds of an exchange, until a request whose answer is lost
has had its effect after that, until a machine is listed."""

CREATE = (
    "error_before",
    "error_after",
    "lost_before",
    "lost_after",
    "late_hang",
    "late_lost",
    "late_error",
    "not_sent",
    "slow",
    "junk",
    "capacity",
    "quota",
    "denied",
    "busy",
    "rate_limit",
)
READ = ("error", "lost", "hang", "rate_limit", "unreadable", "not_sent")
DELETE = ("error_before", "error_after", "lost_after", "slow", "not_sent")

_OFTEN = (0.0, 0.1, 0.4, 0.8)


@attrs.define(kw_only=True)
class Faults:
    """How often what goes wrong; probabilities are of each single exchange.

    Attributes:
        create: Kinds of faults of creations.
        lag: That a new or a deleted machine takes its time to show as such.
        broken: That a machine fails to come up.
        shift: That rows move while pages are walked through.
        hasty: Whether later pages of a list are answered sooner than earlier ones.
        extreme: That a delay is as long as it may be, rather than anything up to that.
        tight: Whether only the very last look can see what is late.
        stormy: Whether clouds answer nobody for a while.
        full: That what is written to a disk is not kept while it has trouble; 0 where no disk ever has.
        rough: Whether anything goes wrong at all any more.
        beyond: Whether effects may come later than the bound, so that twins exist until they are found.
    """

    chance: random.Random
    create: tuple[str, ...]
    create_rate: float
    read: tuple[str, ...]
    read_rate: float
    delete_rate: float
    lag: float
    broken: float
    shift: float
    extreme: float
    hasty: bool
    beyond: bool
    tight: bool = False
    stormy: bool = False
    full: float = 0.0
    rough: bool = True

    @classmethod
    def drawn(cls, chance: random.Random, *, tight: bool | None = None) -> Faults:
        """The faults of one world."""
        if tight or (tight is None and chance.random() < 0.15):
            return cls._tight(chance)
        return cls(
            chance=chance,
            create=tuple(chance.sample(CREATE, chance.randint(1, 4))),
            create_rate=chance.choice(_OFTEN[1:]),
            read=tuple(chance.sample(READ, chance.randint(1, 3))),
            read_rate=chance.choice((0.0, 0.0, 0.05, 0.2)),
            delete_rate=chance.choice((0.0, 0.3)),
            lag=chance.choice(_OFTEN),
            broken=chance.choice((0.0, 0.0, 0.3)),
            shift=chance.choice(_OFTEN),
            extreme=chance.choice((0.0, 0.5, 1.0)),
            hasty=chance.random() < 0.1,
            beyond=chance.random() < 0.05,
            stormy=chance.random() < 0.08,
            full=chance.choice((0.1, 0.3, 0.6)) if chance.random() < 0.12 else 0.0,
        )

    @classmethod
    def _tight(cls, chance: random.Random) -> Faults:
        """Everything that is late is as late as it may be, and nothing else goes wrong: only the last look can see it."""
        return cls(
            chance=chance,
            create=("late_lost", "late_error"),
            create_rate=0.8,
            read=(),
            read_rate=0.0,
            delete_rate=0.0,
            lag=1.0,
            broken=0.0,
            shift=0.8,
            extreme=1.0,
            hasty=chance.random() < 0.6,
            beyond=False,
            tight=True,
        )

    def stop(self) -> None:
        """From now on nothing goes wrong any more."""
        self.create_rate = self.read_rate = self.delete_rate = 0.0
        self.lag = self.broken = self.shift = 0.0
        self.rough = False

    def of_create(self) -> str:
        """What goes wrong with a creation; empty if nothing does."""
        return self._pick(self.create, self.create_rate)

    def of_read(self) -> str:
        """What goes wrong with a read."""
        return self._pick(self.read, self.read_rate) if self.read else ""

    def of_delete(self) -> str:
        """What goes wrong with a deletion."""
        return self._pick(DELETE, self.delete_rate)

    def outage(self) -> tuple[float, float]:
        """From when until when a cloud answers nobody, in true seconds; long enough for breakers to open."""
        if not self.stormy:
            return 0.0, 0.0
        began = self.chance.choice((0.0, 5.0, 30.0)) * self.chance.random()
        return began, began + self.chance.choice((30.0, 100.0, 300.0))

    def trouble(self) -> tuple[float, float]:
        """From when until when a disk cannot be relied on to take anything, in true seconds."""
        if not self.full:
            return 0.0, 0.0
        began = self.chance.choice((0.0, 1.0, 10.0)) * self.chance.random()
        return began, began + self.chance.choice((3.0, 30.0, 100.0))

    def happens(self, rate: float) -> bool:
        """Whether something of that probability happens now."""
        return rate > 0 and self.chance.random() < rate

    def page_delay(self, number: int) -> float:
        """Seconds until a page of a list is there."""
        return 0.5 / number if self.hasty else self.chance.uniform(0.05, 0.5)

    def delay(self, most: float) -> float:
        """Seconds up to ``most``."""
        return most * (0.999 if self.happens(self.extreme) else self.chance.random())

    def _pick(self, kinds: tuple[str, ...], rate: float) -> str:
        return self.chance.choice(kinds) if self.happens(rate) else ""
