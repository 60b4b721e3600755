"""One account at a cloud, and the truth about it: every machine that was ever made there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

from purveyor.plugin import Mark, Marking
from purveyor_testing.simulation.faults import GRACE, Faults

__all__ = ["Cloud", "Machine", "NameTakenError", "Walk"]


_WHOLE = 1000
"""Rows of a page once nothing goes wrong any more: then there is nothing to be seen in walking."""


class NameTakenError(Exception):
    """A machine of that name exists."""


@attrs.define(kw_only=True, eq=False)
class Machine:
    """A machine as it truly is.

    Attributes:
        mark: Of whoever made it through Purveyor; None for others.
        rank: Its place in lists.
        made: When, in true seconds.
        visible: From when on it is listed and found.
        broken: Whether it never comes up.
        gone: When it ceased to exist; None while it lives.
        deleted_by: Who had it deleted.
        hidden: From when on a machine that is gone is not listed any more.
    """

    id: str
    name: str
    mark: Mark | None
    rank: float
    made: float
    visible: float
    broken: bool = False
    deleting: bool = False
    gone: float | None = None
    deleted_by: str = ""
    hidden: float = 0.0

    def shows(self, now: float) -> bool:
        """Whether the cloud tells of it."""
        return self.visible <= now and (self.gone is None or now < self.hidden)


@attrs.define(eq=False)
class Walk:
    """One walk through the pages of a list. Rows stay where they are until it is over, although they are gone.

    Attributes:
        began: When, in true seconds.
        shifts: Whether rows may vanish meanwhile, so that later ones move to pages that were read already.
        read: Pages that were read.
        vanished: Machines whose rows have.
    """

    began: float
    shifts: bool
    read: set[int] = attrs.field(factory=set)
    vanished: set[str] = attrs.field(factory=set)

    def shows(self, machine: Machine, now: float) -> bool:
        """Whether there is a row for it."""
        ended = machine.gone is not None and machine.hidden <= self.began
        return machine.visible <= now and not ended and machine.id not in self.vanished


class Cloud:
    """An account with a list of machines, some of them other people's."""

    def __init__(
        self,
        name: str,
        marking: Marking,
        faults: Faults,
        now: Callable[[], float],
        later: Callable[..., object],
        note: Callable[..., None],
    ) -> None:
        self.name = name
        self.marking = marking
        self.faults = faults
        self.machines: dict[str, Machine] = {}
        self.pending: Counter[str] = Counter()
        self.now = now
        self.on_made: Callable[[Machine], None] = lambda _: None
        self._later = later
        self._note = note
        self._tokens: dict[str, Machine] = {}
        self._releasing: dict[str, float] = {}
        self._shifted: set[str] = set()
        self._page_size = faults.chance.randint(2, 3)
        self._down = faults.outage()

    @property
    def is_down(self) -> bool:
        """Whether it answers nobody for a while."""
        began, ended = self._down
        return self.faults.rough and began <= self.now() < ended

    # Making

    def order(self, name: str, mark: Mark, seconds: float) -> list[Machine | NameTakenError]:
        """Make a machine in that many seconds; what comes of it is in the list from then on."""
        result: list[Machine | NameTakenError] = []
        self.pending[mark.text] += 1

        def happen() -> None:
            self.pending[mark.text] -= 1
            result.append(self._make(name, mark))

        self._later(seconds, happen)
        return result

    def _make(self, name: str, mark: Mark) -> Machine | NameTakenError:
        if self.marking is Marking.TOKEN and mark.text in self._tokens:
            return self._tokens[mark.text]
        if self.marking is Marking.NAME and self.name_taken(name):
            return NameTakenError(name)
        made = self.add(name, mark)
        self._tokens[mark.text] = made
        self.on_made(made)
        return made

    def may_make(self, mark: str) -> bool:
        """Whether a request that was sent may still lead to a machine."""
        known = self.marking is Marking.TOKEN and mark in self._tokens
        return self.pending[mark] > 0 and not known

    def add(self, name: str, mark: Mark | None = None, rank: float | None = None) -> Machine:
        """A machine, from now on."""
        faults, now = self.faults, self.now()
        lag = faults.delay(GRACE) if mark and faults.happens(faults.lag) else 0.0
        made = Machine(
            id=f"{self.name}-{len(self.machines)}",
            name=name,
            mark=mark,
            rank=faults.chance.triangular() if rank is None else rank,
            made=now,
            visible=now + lag,
            broken=mark is not None and faults.happens(faults.broken),
        )
        self.machines[made.id] = made
        self._note("{} {} made, mark {}, shows in {:.1f} s", self.name, made.id, mark and mark.text, lag)
        return made

    def name_taken(self, name: str) -> bool:
        """Whether a machine of that name exists."""
        return any(one.name == name and one.gone is None for one in self.machines.values())

    def releasing(self, name: str) -> bool:
        """Whether the name of a machine that is gone is not free yet."""
        return self.marking is Marking.NAME and self._releasing.get(name, 0.0) > self.now()

    # Deleting

    def delete(self, machine: Machine, by: str) -> None:
        """Let a machine go, now or a little later."""
        if machine.gone is not None or machine.deleting:
            return
        machine.deleting, machine.deleted_by = True, by
        seconds = self.faults.delay(GRACE) if self.faults.happens(self.faults.lag) else 0.0
        self._note("{} {} is being deleted by {}, gone in {:.1f} s", self.name, machine.id, by, seconds)
        if seconds:
            self._later(seconds, self._end, machine)
        else:
            self._end(machine)

    def _end(self, machine: Machine) -> None:
        faults, now = self.faults, self.now()
        machine.gone = now
        machine.hidden = now + (faults.delay(GRACE) if faults.happens(faults.lag) else 0.0)
        if faults.happens(faults.lag):
            self._releasing[machine.name] = now + faults.delay(GRACE)

    def live(self, mark: str) -> list[Machine]:
        """The machines with a mark that truly exist."""
        return [
            one for one in self.machines.values() if one.gone is None and one.mark and one.mark.text == mark
        ]

    # Looking

    def get(self, bare: str) -> Machine | None:
        """A machine, if the cloud tells of it."""
        found = self.machines.get(bare)
        return found if found and found.shows(self.now()) else None

    def walk(self, subject: str) -> Walk:
        """Begin to walk through all pages.

        Rows do not vanish in two walks in a row about one subject: no number of walks would be enough otherwise.
        """
        shifts = subject not in self._shifted and self.faults.happens(self.faults.shift)
        (self._shifted.add if shifts else self._shifted.discard)(subject)
        return Walk(self.now(), shifts)

    def page(self, walk: Walk, number: int) -> tuple[list[Machine], int]:
        """What is on a page, from 1, and how many pages there are."""
        size = self._page_size if self.faults.rough else _WHOLE
        rows = self._rows(walk)
        walk.read.add(number)
        part = rows[(number - 1) * size : number * size]
        return [one for one in part if one.shows(self.now())], -(-len(rows) // size)

    def _rows(self, walk: Walk) -> list[Machine]:
        now = self.now()
        rows = [one for one in self.machines.values() if walk.shows(one, now)]
        return sorted(rows, key=lambda one: one.rank)

    def stir(self, walk: Walk) -> None:
        """Let others come and go while a page has just been read."""
        faults = self.faults
        if faults.happens(faults.shift):
            self._come(walk)
        if walk.shifts:
            self._go(walk)

    def _come(self, walk: Walk) -> None:
        """New rows move others to later pages, which harms only those who have read these already."""
        rows, size = self._rows(walk), self._page_size
        unread = [number for number in range(1, max(walk.read)) if number not in walk.read]
        if len(rows) >= (24 if unread else 7):
            return
        if not unread:
            self.add("other")
            return
        first = (unread[-1] - 1) * size
        before = rows[first - 1].rank if first else 0.0
        for _ in range(size):
            self.add("other", rank=(before + rows[first].rank) / 2)

    def _go(self, walk: Walk) -> None:
        """A row of a page that was read vanishes, and later rows move up."""
        read = self._rows(walk)[: max(walk.read) * self._page_size]
        others = [one for one in read if one.mark is None and one.gone is None]
        if others:
            leaving = self.faults.chance.choice(others)
            leaving.gone = leaving.hidden = self.now()
            leaving.deleted_by = "somebody"
            walk.vanished.add(leaving.id)
            self._note("{} {} vanishes while pages are walked through", self.name, leaving.id)
